import { SpriteSyncError } from "../../../shared/errors.ts";
import { checkpointStore } from "../checkpoint.ts";
import { exportStore } from "../export.ts";
import { importInto } from "../import.ts";
import { type ImportSource, openExportFile, openStoreSource } from "../import-source.ts";
import { type Command, type OptionValues, requireDirectory, text } from "./command.ts";

export const exportCommand: Command = {
  usage: [["export <directory> <file>", "writes all CoValues to a new file: gzip of JSON lines"]],
  operands: [2, 2],
  options: {},
  async run([directory = "", file = ""], _, progress) {
    requireDirectory(directory);
    const end = await exportStore(directory, file, (done, total) => progress.show(done, total));
    const { covalues, messages, transactions, damaged } = end;
    const lines = [
      `${covalues} CoValues, ${messages} messages, ${transactions} transactions`,
      ...damaged.map((id) => `${id} is damaged; what is sound of it was exported`),
    ];
    return { lines, json: { covalues, messages, transactions, damaged }, sound: damaged.length === 0 };
  },
};

export const importCommand: Command = {
  usage: [
    ["import <directory> <file>", "adds what an export has to a store, which is made when it is missing"],
    ["import <directory> --sqlite <file>", "the same from a database of cojson or jazz-run"],
    ["import <directory> --store <other>", "the same from another store"],
  ],
  operands: [1, 2],
  options: { sqlite: { type: "string" }, store: { type: "string" } },
  async run([directory = "", file], options, progress) {
    const source = await openSource(file, options);
    try {
      const report = await importInto(directory, source, {
        onProgress: (done, total) => progress.show(done, total),
        onRefused: (reason) => progress.say(reason),
      });
      const { messages, newCoValues, newTransactions, erased, refused } = report;
      const lines = [
        `${messages} messages read: ${newCoValues} new CoValues, ${newTransactions} new transactions`,
        ...(erased === 0 ? [] : [`${erased} messages left out: their CoValues are deleted and erased here`]),
        ...(refused === 0 ? [] : [`${refused} refused or missing`]),
      ];
      return { lines, json: report, sound: refused === 0 };
    } finally {
      await source.close();
    }
  },
};

export const checkpoint: Command = {
  usage: [["checkpoint <directory> <copy>", "copies the store as it is at one moment to a new directory"]],
  operands: [2, 2],
  options: {},
  async run([directory = "", copy = ""], _, progress) {
    requireDirectory(directory);
    const report = await checkpointStore(directory, copy, (done, total) =>
      progress.show(done, total, "files"),
    );
    return { lines: [`${report.covalues} CoValues, ${report.bytes} bytes`], json: report, sound: true };
  },
};

async function openSource(file: string | undefined, options: OptionValues): Promise<ImportSource> {
  const [sqlite, store] = [text(options, "sqlite"), text(options, "store")];
  if ([file, sqlite, store].filter((source) => source !== undefined).length !== 1) {
    throw new SpriteSyncError("config-invalid", "import takes one source: a file, --sqlite or --store.");
  }
  if (sqlite !== undefined) {
    // Here, because Node says at the import that its SQLite is experimental.
    const { openSqliteSource } = await import("../sqlite-source.ts");
    return openSqliteSource(sqlite);
  }
  if (store !== undefined) {
    requireDirectory(store);
    return openStoreSource(store);
  }
  return openExportFile(file ?? "");
}
