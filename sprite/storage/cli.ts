import { statSync } from "node:fs";
import { parseArgs } from "node:util";
import { SpriteSyncError, toSpriteSyncError } from "../../shared/errors.ts";
import { auditStore } from "./audit.ts";
import { compactStore } from "./compact.ts";
import type { Engine } from "./engine.ts";
import { exportStore } from "./export.ts";
import { keys } from "./format.ts";
import { importInto } from "./import.ts";
import { type ImportSource, openExportFile, openStoreSource } from "./import-source.ts";
import { openEngine } from "./open-storage.ts";
import { Progress } from "./progress.ts";
import { knownStateOf } from "./row.ts";

const USAGE = `node sprite/storage/cli.ts <command> [--json]

inspect <directory> [--limit 20]    what is stored: counts, sizes, damage, and the newest CoValues
audit <directory>                   reads the whole log and compares the rows with it
export <directory> <file>           writes all CoValues to a new file: gzip of JSON lines
import <directory> <file>           adds what an export has to a store, which is made when it is missing
import <directory> --sqlite <file>  the same from a database of cojson or jazz-run
import <directory> --store <other>  the same from another store
compact <directory>                 erases what is deleted and gives the disk space of all garbage back

inspect, audit and export only look, also while a Sprite has the store open, as import does with what it reads from.
import and compact write, and refuse a store that is open. A command ends with 1 when it found something wrong or left
something out, and with 2 when it could not be done. Only export shows any transaction's content, in its file.`;

interface Printed {
  readonly lines: readonly string[];
  readonly json: unknown;
  readonly sound: boolean;
}

async function inspect({ journal, committer, rowStore, repairer }: Engine, limit: number): Promise<Printed> {
  const { count } = committer;
  const start = Math.max(0, count - limit);
  const newest: { id: string; coSessions: number; transactions: number; erased: boolean }[] = [];
  for (let offset = start; offset < count; offset++) {
    const bytes = await journal.readRow(keys.ordinal(offset));
    if (bytes === null) continue;
    const row = await rowStore.get(JSON.parse(bytes.toString()) as string);
    if (row === undefined) continue;
    const counts = Object.values(knownStateOf(row).sessions);
    const transactions = counts.reduce((sum, number) => sum + number, 0);
    newest.push({ id: row.id, coSessions: counts.length, transactions, erased: row.erased });
  }
  const damages = await repairer.damages();
  const lines = [
    `${count} CoValues, ${journal.length} blocks in the log, ${journal.bytes} bytes ever written to it`,
    damages.length === 0
      ? "no damage on record"
      : `damaged at some time: ${damages.map(({ id }) => id).join(", ")}`,
    ...newest.map(
      ({ id, coSessions, transactions, erased }) =>
        `${id}  ${coSessions} coSessions, ${transactions} transactions${erased ? ", erased" : ""}`,
    ),
  ];
  return {
    lines,
    json: { covalues: count, blocks: journal.length, bytes: journal.bytes, damages, newest },
    sound: true,
  };
}

async function audit({ journal, rowStore }: Engine): Promise<Printed> {
  const report = await auditStore(journal, rowStore);
  const lines = [
    `${report.covalues} CoValues, ${report.messages} messages, ${report.bytes} bytes`,
    ...report.problems.map(({ id, what }) => `${id ?? "log"}: ${what}`),
    report.problems.length === 0 ? "sound" : `${report.problems.length} problems`,
  ];
  return { lines, json: report, sound: report.problems.length === 0 };
}

async function exportTo(directory: string, file: string): Promise<Printed> {
  const progress = new Progress(process.stderr);
  const end = await exportStore(directory, file, (done, total) => progress.show(done, total));
  progress.clear();
  const { covalues, messages, transactions, damaged } = end;
  const lines = [
    `${covalues} CoValues, ${messages} messages, ${transactions} transactions`,
    ...damaged.map((id) => `${id} is damaged; what is sound of it was exported`),
  ];
  return { lines, json: { covalues, messages, transactions, damaged }, sound: damaged.length === 0 };
}

async function importFrom(directory: string, source: ImportSource): Promise<Printed> {
  const progress = new Progress(process.stderr);
  try {
    const report = await importInto(directory, source, {
      onProgress: (done, total) => progress.show(done, total),
      onRefused: (reason) => {
        progress.clear();
        process.stderr.write(`${reason}\n`);
      },
    });
    progress.clear();
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
}

async function compact(directory: string): Promise<Printed> {
  const report = await compactStore(directory);
  const { erased, damaged, bytesBefore, bytesAfter } = report;
  const lines = [
    `${erased} deleted CoValues erased; ${bytesBefore} bytes before, ${bytesAfter} now`,
    ...damaged.map((id) => `${id} is deleted and damaged; it could not be erased`),
  ];
  return { lines, json: report, sound: damaged.length === 0 };
}

const OPTIONS = {
  limit: { type: "string", default: "20" },
  json: { type: "boolean", default: false },
  sqlite: { type: "string" },
  store: { type: "string" },
} as const;

type Options = ReturnType<typeof parseArgs<{ options: typeof OPTIONS }>>["values"];

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({ allowPositionals: true, options: OPTIONS });
  await run(positionals, values);
}

async function run([command, directory, file, ...rest]: string[], options: Options): Promise<void> {
  if (command === undefined || directory === undefined || rest.length > 0) throw usage();
  const printed = await print(command, directory, file, options);
  process.stdout.write(options.json ? `${JSON.stringify(printed.json)}\n` : `${printed.lines.join("\n")}\n`);
  if (!printed.sound) process.exitCode = 1;
}

async function print(
  command: string,
  directory: string,
  file: string | undefined,
  options: Options,
): Promise<Printed> {
  const { sqlite, store, limit } = options;
  if (command === "import") return importFrom(directory, await openSource(file, sqlite, store));
  if (sqlite !== undefined || store !== undefined) throw usage();
  if (command === "export" && file !== undefined) {
    requireDirectory(directory);
    return exportTo(directory, file);
  }
  if (file !== undefined) throw usage();
  switch (command) {
    case "inspect":
      return look(directory, (engine) => inspect(engine, Number(limit)));
    case "audit":
      return look(directory, audit);
    case "compact":
      requireDirectory(directory);
      return compact(directory);
    default:
      throw usage();
  }
}

async function openSource(
  file: string | undefined,
  sqlite: string | undefined,
  store: string | undefined,
): Promise<ImportSource> {
  if (file !== undefined && sqlite === undefined && store === undefined) return openExportFile(file);
  if (sqlite !== undefined && file === undefined && store === undefined) {
    // Here, because Node says at the import that its SQLite is experimental.
    const { openSqliteSource } = await import("./sqlite-source.ts");
    return openSqliteSource(sqlite);
  }
  if (store !== undefined && file === undefined && sqlite === undefined) {
    requireDirectory(store);
    return openStoreSource(store);
  }
  throw usage();
}

async function look(directory: string, command: (engine: Engine) => Promise<Printed>): Promise<Printed> {
  requireDirectory(directory);
  const engine = await openEngine(directory, { readOnly: true });
  try {
    return await command(engine);
  } finally {
    await engine.close();
  }
}

function requireDirectory(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new SpriteSyncError("config-invalid", `${directory} is not a directory.`);
}

function usage(): SpriteSyncError {
  return new SpriteSyncError("config-invalid", USAGE);
}

main().catch((error: unknown) => {
  process.stderr.write(`${toSpriteSyncError(error, "storage-failed").message}\n`);
  process.exitCode = 2;
});
