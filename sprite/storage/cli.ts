import { statSync } from "node:fs";
import { parseArgs } from "node:util";
import { SpriteSyncError, toSpriteSyncError } from "../../shared/errors.ts";
import { auditStore } from "./audit.ts";
import type { Engine } from "./engine.ts";
import { keys } from "./format.ts";
import { openEngine } from "./open-storage.ts";
import { knownStateOf } from "./row.ts";

const USAGE = `node sprite/storage/cli.ts inspect <directory> [--limit 20] [--json]
node sprite/storage/cli.ts audit <directory> [--json]

inspect  what is stored: counts, sizes, damage, and the newest CoValues
audit    reads the whole log and compares the rows with it; ends with 1 when something is wrong

Both only look, also while a Sprite has the store open. No transaction's content is printed.`;

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

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: { limit: { type: "string", default: "20" }, json: { type: "boolean", default: false } },
  });
  const [command, directory] = positionals;
  if (directory === undefined || (command !== "inspect" && command !== "audit")) {
    throw new SpriteSyncError("config-invalid", USAGE);
  }
  if (!statSync(directory, { throwIfNoEntry: false })?.isDirectory()) {
    throw new SpriteSyncError("config-invalid", `${directory} is not a directory.`);
  }
  const engine = await openEngine(directory, { readOnly: true });
  try {
    const printed = command === "inspect" ? await inspect(engine, Number(values.limit)) : await audit(engine);
    process.stdout.write(values.json ? `${JSON.stringify(printed.json)}\n` : `${printed.lines.join("\n")}\n`);
    if (!printed.sound) process.exitCode = 1;
  } finally {
    await engine.close();
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`${toSpriteSyncError(error, "storage-failed").message}\n`);
  process.exitCode = 2;
});
