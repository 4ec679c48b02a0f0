import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { StorageAPI } from "cojson";
import { openStorage } from "../../sprite/storage/index.ts";
import { fillLargeStore } from "../../test/support/large-store.ts";
import { openSqliteStorage } from "../../test/support/sqlite-storage.ts";
import { idOf, transactionBytes, workload } from "./workload.ts";

/**
 * One measurement in a process of its own; the section starts it. Arguments: `store` (what to open), directory,
 * `phase`, number of CoValues, messages per CoValue (for `fill`: real CoValues), clients. One JSON line out.
 */
const [store = "", directory = "", phase = "", covalues = "3000", perCoValue = "3", clients = "64"] =
  process.argv.slice(2);

const scale = { covalues: Number(covalues), messages: Number(perCoValue) };
/** CoValues loaded one at a time, and as many others 16 at once: none is loaded twice. */
const LOADS = Math.min(1_000, Math.floor(scale.covalues / 2));

interface Opened {
  readonly storage: StorageAPI;
  close(): Promise<void>;
}

async function open(): Promise<Opened> {
  const [kind, mode] = store.split("-");
  if (kind === "sqlite") {
    mkdirSync(directory, { recursive: true });
    const { storage, close } = openSqliteStorage({
      sqlite: join(directory, "db"),
      synchronous: mode === "fsync" ? "FULL" : "NORMAL",
    });
    return { storage, close: async () => close() };
  }
  const storage = await openStorage(directory, { durability: mode === "fsync" ? "fsync" : "flush" });
  return { storage, close: () => storage.close() };
}

function diskBytes(): number {
  return Number(execFileSync("du", ["-sB1", directory]).toString().split("\t")[0]);
}

/** `clients` of them, each with one message in flight: the way a server's upstreams wait for acknowledgements. */
async function ingest(): Promise<Record<string, number>> {
  const messages = workload(scale);
  const bytes = transactionBytes(messages);
  const { storage, close } = await open();
  const cpu = process.cpuUsage();
  const started = performance.now();
  let next = 0;
  const client = async () => {
    for (let message = messages[next++]; message !== undefined; message = messages[next++]) {
      const content = message;
      await new Promise<void>((done) => storage.store(content, () => undefined, done));
      storage.onCoValueUnmounted(content.id);
    }
  };
  await Promise.all(Array.from({ length: Number(clients) }, client));
  const seconds = (performance.now() - started) / 1000;
  const { user, system } = process.cpuUsage(cpu);
  await close();
  return {
    perSecond: messages.length / seconds,
    cpuMsPerMessage: (user + system) / 1000 / messages.length,
    diskPerByte: diskBytes() / bytes,
  };
}

async function loads(): Promise<Record<string, number>> {
  const opening = performance.now();
  const { storage, close } = await open();
  const openMs = performance.now() - opening;
  // Prime steps apart, so that neighbours in time are none on disk.
  const ids = Array.from({ length: 2 * LOADS }, (_, index) => idOf((index * 7919) % scale.covalues));
  const load = (id: string) =>
    new Promise<void>((done, fail) =>
      storage.load(
        id,
        () => {},
        (found) => (found ? done() : fail(new Error("not found"))),
      ),
    );
  const one = await rate(1, async (index) => load(ids[index] ?? ""));
  const sixteen = await rate(16, async (index) => load(ids[LOADS + index] ?? ""));
  await close();
  return { openMs, onePerSecond: one, sixteenPerSecond: sixteen };
}

async function rate(parallel: number, task: (index: number) => Promise<void>): Promise<number> {
  const started = performance.now();
  let next = 0;
  const worker = async () => {
    while (next < LOADS) await task(next++);
  };
  await Promise.all(Array.from({ length: parallel }, worker));
  return LOADS / ((performance.now() - started) / 1000);
}

/** A store that a server can be started on, with CoValues that it can load. */
async function fill(): Promise<unknown> {
  const { storage, close } = await open();
  const made = await fillLargeStore(storage, { covalues: scale.covalues, real: scale.messages });
  await close();
  return made;
}

const phases: Record<string, () => Promise<unknown>> = { ingest, loads, fill };
const measured = await phases[phase]?.();
process.stdout.write(`${JSON.stringify(measured)}\n`);
