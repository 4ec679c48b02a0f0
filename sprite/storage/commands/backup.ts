import { SpriteSyncError } from "../../../shared/errors.ts";
import {
  type BackupPlace,
  backUp,
  listBackups,
  openPlace,
  parseTime,
  restoreBackup,
} from "../backup/index.ts";
import { openView } from "../store-view.ts";
import { type Command, type Printed, requireDirectory, text, wholeNumber } from "./command.ts";

export const backup: Command = {
  usage: [
    ["backup <directory> <place>", "adds what is new in the store to a directory or s3://bucket/prefix"],
    ["  [--full] [--full-after-days 7]", "begins with a copy of everything: now, or when the last is so old"],
    ["  [--keep-days <days>]", "removes what only older backups need"],
  ],
  operands: [2, 2],
  options: {
    full: { type: "boolean" },
    "full-after-days": { type: "string" },
    "keep-days": { type: "string" },
  },
  run([directory = "", where = ""], options, progress) {
    requireDirectory(directory);
    const [fullAfterDays, keepDays] = [
      wholeNumber(options, "full-after-days"),
      wholeNumber(options, "keep-days"),
    ];
    return inPlace(where, async (place) => {
      const view = await openView(directory);
      try {
        const report = await backUp(view.engine, place, {
          full: options.full === true,
          ...(fullAfterDays === undefined ? {} : { fullAfterDays }),
          ...(keepDays === undefined ? {} : { keepDays }),
          onProgress: (done, total) => progress.show(done, total, "blocks"),
        });
        const { at, made, covalues, bytesWritten, objectsWritten, damaged, full } = report;
        const lines = [
          made
            ? `backup of ${at}: ${covalues} CoValues, ${bytesWritten} bytes in ${objectsWritten} new objects${full === undefined ? "" : `, a full copy (${full})`}`
            : `nothing is new since the backup of ${at}`,
          ...(damaged === 0 ? [] : [`${damaged} messages cannot be read from the store and are not in it`]),
        ];
        return { lines, json: report, sound: damaged === 0 };
      } finally {
        await view.close();
      }
    });
  },
};

export const backups: Command = {
  usage: [["backups <place>", "lists the backups in a place"]],
  operands: [1, 1],
  options: {},
  run: ([where = ""]) =>
    inPlace(where, async (place) => {
      const found = await listBackups(place);
      const lines = found.map(({ at, store, covalues, bytes, wrong }) =>
        wrong === undefined
          ? `${at}  ${store}  ${covalues} CoValues, ${bytes} bytes`
          : `${at}  ${store}  ${wrong}`,
      );
      return {
        lines: lines.length === 0 ? [`no backups in ${place.name}`] : lines,
        json: found,
        sound: found.every(({ wrong }) => wrong === undefined),
      };
    }),
};

export const restore: Command = {
  usage: [
    ["restore <place> <directory>", "makes a new store from the newest backup"],
    [
      "  [--at <time>] [--from <store>]",
      "or from the last one until then; which store's, if the place has several",
    ],
  ],
  operands: [2, 2],
  options: { at: { type: "string" }, from: { type: "string" } },
  run([where = "", directory = ""], options, progress) {
    const [at, store] = [text(options, "at"), text(options, "from")];
    const time = at === undefined ? undefined : parseTime(at);
    return inPlace(where, async (place) => {
      const report = await restoreBackup(place, directory, {
        ...(time === undefined ? {} : { at: time }),
        ...(store === undefined ? {} : { store }),
        onProgress: (done, total) => progress.show(done, total, "blocks"),
      });
      const { covalues, messages, damaged } = report;
      const lines = [
        `the backup of ${report.at}: ${covalues} CoValues, ${messages} messages`,
        ...(damaged === 0 ? [] : [`${damaged} messages were lost in the store before it was backed up`]),
      ];
      return { lines, json: report, sound: damaged === 0 };
    });
  },
};

async function inPlace(where: string, use: (place: BackupPlace) => Promise<Printed>): Promise<Printed> {
  if (where === "") throw new SpriteSyncError("config-invalid", "Name the place of the backups.");
  const place = await openPlace(where, process.env);
  try {
    return await use(place);
  } finally {
    await place.close();
  }
}
