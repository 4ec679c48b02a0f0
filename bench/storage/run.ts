import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { StorageAPI } from "cojson";
import { openStorage } from "../../sprite/storage/index.ts";
import { fillLargeStore, storeAll } from "../../test/support/large-store.ts";
import { openSqliteStorage } from "../../test/support/sqlite-storage.ts";
import type { Filled } from "./filled-store.ts";
import { firstMessages, idOf, laterMessages, shuffled, transactionBytes } from "./workload.ts";

/**
 * One measurement in a process of its own. Arguments: `store` (`ours` or `sqlite`), what an acknowledgement survives
 * (`flush` or `fsync`), directory, `phase`, number of CoValues stored, and for `fill` how many of them are real. One JSON
 * line out.
 */
const [store = "", durability = "", directory = "", phase = "", stored = "", realMaps = ""] =
  process.argv.slice(2);
const covalues = Number(stored);

/** Clients that each wait for their acknowledgement. */
const CLIENTS = [64, 8, 1] as const;
/**
 * How many messages they store in all, and before the clock runs: for the compiler, which would else be measured. A disk
 * that is asked to sync each of them takes ten times as long.
 */
const MESSAGES =
  durability === "fsync"
    ? { warmUp: 300, 64: 900, 8: 300, 1: 100 }
    : { warmUp: 500, 64: 3_000, 8: 1_000, 1: 400 };
/** CoValues loaded one at a time, as many others 16 at once, and others one at a time again: none is loaded twice. */
const LOADS = Math.min(1_000, Math.floor(covalues / 3));

interface Opened {
  readonly storage: StorageAPI;
  close(): Promise<void>;
}

async function open(): Promise<Opened> {
  if (store === "sqlite") {
    mkdirSync(directory, { recursive: true });
    const synchronous = durability === "fsync" ? "FULL" : "NORMAL";
    const { storage, close } = openSqliteStorage({ sqlite: join(directory, "db"), synchronous });
    return { storage, close: async () => close() };
  }
  const storage = await openStorage(directory, { durability: durability as "flush" | "fsync" });
  return { storage, close: () => storage.close() };
}

/** The way a server's upstreams wait for acknowledgements: each client has one message in flight. */
async function ingest(): Promise<Record<string, number>> {
  const { storage, close } = await open();
  const result: Record<string, number> = {};
  let start = 0;
  const next = (count: number) => {
    start += count;
    return laterMessages(covalues, start - count, count);
  };
  await storeBy(64, storage, next(MESSAGES.warmUp));
  for (const clients of CLIENTS) {
    const messages = MESSAGES[clients];
    const contents = next(messages);
    const cpu = process.cpuUsage();
    const started = performance.now();
    await storeBy(clients, storage, contents);
    const { user, system } = process.cpuUsage(cpu);
    result[`ingest${clients}`] = messages / ((performance.now() - started) / 1_000);
    result[`cpu${clients}`] = (user + system) / messages;
  }
  await close();
  return result;
}

async function storeBy(
  clients: number,
  storage: StorageAPI,
  messages: ReturnType<typeof laterMessages>,
): Promise<void> {
  let next = 0;
  const client = async () => {
    for (let message = messages[next++]; message !== undefined; message = messages[next++]) {
      const content = message;
      await new Promise<void>((done) => storage.store(content, () => undefined, done));
      storage.onCoValueUnmounted(content.id);
    }
  };
  await Promise.all(Array.from({ length: clients }, client));
}

/** In a process that has just begun: nothing of the store is in its memory. */
async function loads(): Promise<Record<string, number>> {
  const opening = performance.now();
  const { storage, close } = await open();
  const openMs = performance.now() - opening;
  const load = (turn: number) =>
    new Promise<void>((done, fail) =>
      storage.load(
        idOf(shuffled(turn, covalues)),
        () => {},
        (found) => (found ? done() : fail(new Error("not found"))),
      ),
    );
  const load1 = await rate(1, load);
  const load16 = await rate(16, (turn) => load(LOADS + turn));
  const load1Later = await rate(1, (turn) => load(2 * LOADS + turn));
  await close();
  return { openMs, load1, load16, load1Later };
}

async function rate(parallel: number, task: (index: number) => Promise<void>): Promise<number> {
  const started = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < LOADS) await task(next++);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return LOADS / ((performance.now() - started) / 1_000);
}

/** A store that a server can be started on: real CoValues that it can load, and others. */
async function fill(): Promise<Filled> {
  const { storage, close } = await open();
  let bytes = 0;
  const counting: Pick<StorageAPI, "store" | "onCoValueUnmounted"> = {
    store: (content, ...callbacks) => {
      bytes += transactionBytes(content);
      storage.store(content, ...callbacks);
    },
    onCoValueUnmounted: (id) => storage.onCoValueUnmounted(id),
  };
  const real = Number(realMaps);
  const { group, maps } = await fillLargeStore(counting, { covalues: real + 2, real });
  await storeAll(counting, firstMessages(covalues));
  await close();
  return { group, maps, transactionBytes: bytes };
}

const phases: Record<string, () => Promise<unknown>> = { ingest, loads, fill };
process.stdout.write(`${JSON.stringify(await phases[phase]?.())}\n`);
