import { cpSync, readdirSync, readFileSync, statSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { LogLevel, logger } from "cojson";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { openEngine, openStorage } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { until } from "../../support/until.ts";
import {
  type Content,
  contentOf,
  coSessionOf,
  idOf,
  type KnownState,
  loadAll,
  storeDone,
  transactionOf,
  transactionsIn,
} from "./content.ts";
import { newDirectory, openForTest } from "./open-for-test.ts";
import { randomOf } from "./random.ts";

const COVALUES = 60;
const CO_SESSIONS = 3;
const MESSAGES = 4;
const PER_MESSAGE = 5;
const STORED = MESSAGES * PER_MESSAGE;

const seed = Number(process.env.SPRITE_DAMAGE_SEED ?? Date.now() % 1_000_000);

/** Every third CoValue has transactions large enough for RocksDB's blob files. */
function bytesOf(number: number): number {
  return number % 3 === 0 ? 1_500 : 50;
}

async function fill(storage: SpriteStorage): Promise<void> {
  const stores: Promise<void>[] = [];
  for (let message = 0; message < MESSAGES; message++) {
    for (let number = 0; number < COVALUES; number++) {
      for (let coSession = 0; coSession < CO_SESSIONS; coSession++) {
        const after = message * PER_MESSAGE;
        const piece = {
          id: idOf(number),
          coSession,
          after,
          count: PER_MESSAGE,
          header: message + coSession === 0,
        };
        stores.push(storeDone(storage, contentOf({ ...piece, bytes: bytesOf(number) })));
      }
    }
  }
  await Promise.all(stores);
}

/** Transactions that are served of all CoValues. @throws when one is not what was written, or follows a gap. */
async function served(storage: SpriteStorage): Promise<number> {
  let count = 0;
  for (let number = 0; number < COVALUES; number++) {
    const messages = (await loadAll(storage, idOf(number))) ?? [];
    for (const [coSession, texts] of Object.entries(transactionsIn(messages, idOf(number)))) {
      count += texts.length;
      texts.forEach((text, index) => {
        expect(text).toBe(JSON.stringify(transactionOf(index, coSession, bytesOf(number))));
      });
    }
  }
  return count;
}

/** What a client does that has everything: sends its last change, and on a correction all that is missing. */
async function sendAgain(storage: SpriteStorage, number: number): Promise<void> {
  for (let coSession = 0; coSession < CO_SESSIONS; coSession++) {
    const piece = { id: idOf(number), coSession, bytes: bytesOf(number) };
    const correct = (known: KnownState): Content[] => {
      const after = known.sessions[coSessionOf(coSession)] ?? 0;
      return [contentOf({ ...piece, after, count: STORED - after, header: true })];
    };
    await storeDone(storage, contentOf({ ...piece, after: STORED - 1, count: 1 }), correct);
  }
}

/** Fresh copies of one filled store: with its data in tables, or still in the write-ahead log. */
async function filledStores(where: "tables" | "log"): Promise<() => string> {
  const original = newDirectory();
  const engine = await openEngine(original, {
    writeBufferBytes: where === "tables" ? 64 * 1024 : 8 * 1024 * 1024,
  });
  const storage = new SpriteStorage(engine);
  await fill(storage);
  // Closing ends a table that is being written in the background.
  if (where === "tables") await engine.journal.flushTables();
  const copies = newDirectory();
  // Copied while it is open: closing would move everything out of the log.
  if (where === "log") cpSync(original, join(copies, "0"), { recursive: true });
  await storage.close();
  if (where === "tables") cpSync(original, join(copies, "0"), { recursive: true });
  let copy = 0;
  return () => {
    cpSync(join(copies, "0"), join(copies, String(++copy)), { recursive: true });
    return join(copies, String(copy));
  };
}

// Each of the hundreds of damaged CoValues is an error in the log, which nobody needs to read here.
beforeAll(() => logger.setLevel(LogLevel.NONE));
afterAll(() => logger.setLevel(LogLevel.WARN));

type Damage = (path: string, random: () => number) => void;

const garble: Damage = (path, random) => {
  const bytes = readFileSync(path);
  const start = Math.floor(random() * bytes.length);
  for (let at = start; at < Math.min(start + 64, bytes.length); at++)
    bytes.writeUInt8(bytes.readUInt8(at) ^ 0x5a, at);
  writeFileSync(path, bytes);
};
const cut: Damage = (path, random) => truncateSync(path, Math.floor(random() * statSync(path).size));

const KINDS = [
  { kind: "table", where: "tables", pattern: /\.sst$/ },
  { kind: "blob file", where: "tables", pattern: /\.blob$/ },
  { kind: "manifest", where: "tables", pattern: /^MANIFEST/ },
  { kind: "write-ahead log", where: "log", pattern: /\.log$/ },
] as const;

describe(`a damaged store (seed ${seed})`, () => {
  for (const { kind, where, pattern } of KINDS) {
    for (const [what, damage] of [
      ["garbled", garble],
      ["cut short", cut],
    ] as const) {
      test(`with a ${kind} ${what} never serves anything wrong: it refuses to open, or to write, or heals from a client`, async () => {
        const random = randomOf(seed);
        const newCopy = await filledStores(where);
        const outcomes = { refused: 0, readOnly: 0, healed: 0, whole: 0 };
        for (let trial = 0; trial < 4; trial++) {
          const directory = newCopy();
          const files = readdirSync(join(directory, "db")).filter((name) => pattern.test(name));
          const file = files[Math.floor(random() * files.length)];
          if (file === undefined) throw new Error(`there is no ${kind} to damage`);
          damage(join(directory, "db", file), random);
          outcomes[await outcome(directory)]++;
        }
        expect(Object.values(outcomes).reduce((sum, count) => sum + count)).toBe(4);
      });
    }
  }

  test("with the log's tail torn at every byte of the last record opens with everything before it", async () => {
    const directory = newDirectory();
    const storage = await openForTest(directory);
    await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 0, count: 1 }));
    const size = () => Math.max(...logs(directory).map((path) => usedBytes(path)));
    const before = size();
    await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 1, count: 1 }));
    const after = size();
    const copies = newDirectory();
    cpSync(directory, join(copies, "whole"), { recursive: true });
    expect(after - before).toBeGreaterThan(500);
    const step = Math.ceil((after - before) / 24);
    for (let end = before; end < after; end += step) {
      const torn = join(copies, String(end));
      cpSync(join(copies, "whole"), torn, { recursive: true });
      for (const path of logs(torn)) if (statSync(path).size > end) truncateSync(path, end);
      const reopened = await openStorage(torn);
      const messages = (await loadAll(reopened, idOf(1))) ?? [];
      expect(transactionsIn(messages, idOf(1))[coSessionOf(1)], `torn at ${end}`).toHaveLength(1);
      await storeDone(reopened, contentOf({ id: idOf(1), coSession: 1, after: 1, count: 1 }));
      await reopened.close();
    }
  });
});

/** `readOnly`: RocksDB met the damage while it compacted. It then takes no writes, and the state says why. */
async function outcome(directory: string): Promise<"refused" | "readOnly" | "healed" | "whole"> {
  let storage: SpriteStorage;
  try {
    storage = await openStorage(directory);
  } catch (error) {
    expect(String(error)).toMatch(/cannot be opened: .*restore the directory from a backup/s);
    return "refused";
  }
  onTestFinished(() => storage.close().catch(() => undefined));
  const before = await served(storage);
  const sent = Promise.all(Array.from({ length: COVALUES }, (_, number) => sendAgain(storage, number))).then(
    () => true,
  );
  await Promise.race([
    sent,
    until(() => storage.state.kind === "failed", { what: "writes being done or refused" }),
  ]);
  if (storage.state.kind === "failed") {
    expect(storage.state.error.message).toMatch(/does not take writes: .+/);
    await served(storage);
    return "readOnly";
  }
  expect(await served(storage)).toBe(COVALUES * CO_SESSIONS * STORED);
  return before === COVALUES * CO_SESSIONS * STORED ? "whole" : "healed";
}

function logs(directory: string): string[] {
  const names = readdirSync(join(directory, "db")).filter((name) => name.endsWith(".log"));
  return names.map((name) => join(directory, "db", name));
}

/** RocksDB preallocates its logs: what is used ends before the zeros. */
function usedBytes(path: string): number {
  const bytes = readFileSync(path);
  let end = bytes.length;
  while (end > 0 && bytes[end - 1] === 0) end--;
  return end;
}
