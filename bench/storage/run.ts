import { execFileSync } from "node:child_process";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import type { StorageAPI } from "cojson";
import { openStorage } from "../../sprite/storage/index.ts";
import { openSqliteStorage } from "../../test/support/sqlite-storage.ts";
import { idOf, transactionBytes, workload } from "./workload.ts";

/**
 * One measurement in a process of its own; section.ts starts it. Arguments: `store` (what to open), directory,
 * `phase`, number of CoValues, messages per CoValue, clients. One JSON line out.
 */
const [store = "", directory = "", phase = "", covalues = "3000", perCoValue = "3", clients = "64"] =
  process.argv.slice(2);

const scale = { covalues: Number(covalues), messages: Number(perCoValue) };
const LOADS = 1_000;

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

function rssMb(): number {
  return process.memoryUsage().rss / 1024 / 1024;
}

/** `clients` of them, each with one message in flight: the way a server's upstreams wait for acknowledgements. */
async function ingest(): Promise<Record<string, number>> {
  const messages = workload(scale);
  const bytes = transactionBytes(messages);
  const idle = rssMb();
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
  const rss = rssMb() - idle;
  await close();
  return {
    perSecond: messages.length / seconds,
    cpuMsPerMessage: (user + system) / 1000 / messages.length,
    rssMb: rss,
    diskPerByte: diskBytes() / bytes,
  };
}

async function loads(): Promise<Record<string, number>> {
  const idle = rssMb();
  const opening = performance.now();
  const { storage, close } = await open();
  const openMs = performance.now() - opening;
  const ids = Array.from({ length: LOADS }, (_, index) => idOf((index * 7919) % scale.covalues));
  const load = (id: string) =>
    new Promise<void>((done, fail) =>
      storage.load(
        id,
        () => {},
        (found) => (found ? done() : fail(new Error("not found"))),
      ),
    );
  const one = await rate(1, async (index) => load(ids[index] ?? ""));
  for (const id of ids) storage.onCoValueUnmounted(id as ReturnType<typeof idOf>);
  const sixteen = await rate(16, async (index) => load(ids[(index + LOADS / 2) % LOADS] ?? ""));
  const rss = rssMb() - idle;
  await close();
  return { openMs, onePerSecond: one, sixteenPerSecond: sixteen, rssMb: rss };
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

const phases: Record<string, () => Promise<Record<string, number>>> = { ingest, loads };
const measured = await phases[phase]?.();
process.stdout.write(`${JSON.stringify(measured)}\n`);
