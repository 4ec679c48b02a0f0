import { auditStore } from "../audit.ts";
import type { Engine } from "../engine.ts";
import { keys } from "../format.ts";
import { knownStateOf } from "../row.ts";
import { openView } from "../store-view.ts";
import { type Command, type Printed, requireDirectory, wholeNumber } from "./command.ts";

export const inspect: Command = {
  usage: [
    ["inspect <directory> [--limit 20]", "what is stored: counts, sizes, damage, and the newest CoValues"],
  ],
  operands: [1, 1],
  options: { limit: { type: "string" } },
  run: ([directory = ""], options) => {
    const limit = wholeNumber(options, "limit") ?? 20;
    return look(directory, (engine) => inspected(engine, limit));
  },
};

export const audit: Command = {
  usage: [["audit <directory>", "reads the whole log and compares the rows with it"]],
  operands: [1, 1],
  options: {},
  run: ([directory = ""]) => look(directory, audited),
};

async function look(directory: string, command: (engine: Engine) => Promise<Printed>): Promise<Printed> {
  requireDirectory(directory);
  const view = await openView(directory);
  try {
    return await command(view.engine);
  } finally {
    await view.close();
  }
}

async function inspected(
  { journal, committer, rowStore, repairer }: Engine,
  limit: number,
): Promise<Printed> {
  const { count } = committer;
  const newest: { id: string; coSessions: number; transactions: number; erased: boolean }[] = [];
  for (let offset = Math.max(0, count - limit); offset < count; offset++) {
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
  const json = { covalues: count, blocks: journal.length, bytes: journal.bytes, damages, newest };
  return { lines, json, sound: true };
}

async function audited({ journal, rowStore }: Engine): Promise<Printed> {
  const report = await auditStore(journal, rowStore);
  const lines = [
    `${report.covalues} CoValues, ${report.messages} messages, ${report.bytes} bytes`,
    ...report.problems.map(({ id, what }) => `${id ?? "log"}: ${what}`),
    report.problems.length === 0 ? "sound" : `${report.problems.length} problems`,
  ];
  return { lines, json: report, sound: report.problems.length === 0 };
}
