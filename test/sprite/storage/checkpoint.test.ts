import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { auditStore } from "../../../sprite/storage/audit.ts";
import { checkpointStore } from "../../../sprite/storage/checkpoint.ts";
import type { Engine } from "../../../sprite/storage/engine.ts";
import { type FreezingSteps, freezeFiles, STEPS } from "../../../sprite/storage/frozen-files.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { openView } from "../../../sprite/storage/store-view.ts";
import { until } from "../../support/until.ts";
import { contentOf, coSessionOf, idOf, loadAll, storeDone } from "./content.ts";
import { newDirectory } from "./open-for-test.ts";

const writer = fileURLToPath(new URL("./crash-child.ts", import.meta.url));

/** A process that writes as fast as it can, with a write buffer so small that tables come and go all the time. */
class BusyStore {
  readonly directory = newDirectory();
  /** Transactions acknowledged so far, by CoValue and coSession. */
  readonly acknowledged = new Map<string, number>();
  readonly #process: ChildProcess;

  constructor() {
    this.#process = spawn(process.execPath, [writer, this.directory, "7", "flush"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void this.#process.kill("SIGKILL"));
    if (this.#process.stdout === null) throw new Error("the writer has no output");
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      const [kind, number = "", coSession = "", count] = line.split(" ");
      if (kind === "ack") this.acknowledged.set(`${number} ${coSession}`, Number(count));
    });
  }

  async written(atLeast: number): Promise<void> {
    const sum = () => [...this.acknowledged.values()].reduce((all, count) => all + count, 0);
    await until(() => sum() >= atLeast, { what: `${atLeast} transactions being written` });
  }

  get tables(): string[] {
    return readdirSync(join(this.directory, "db")).filter((name) => name.endsWith(".sst"));
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    if (this.#process.exitCode === null && this.#process.signalCode === null)
      await once(this.#process, "exit");
  }
}

/** What is missing or wrong in a copy that was begun when `acknowledged` had been. */
async function faultsOf(engine: Engine, acknowledged: ReadonlyMap<string, number>): Promise<string[]> {
  const { problems } = await auditStore(engine.journal, engine.rowStore);
  const faults = problems.map(({ id, what }) => `${id ?? "log"}: ${what}`);
  for (const [key, count] of acknowledged) {
    const [number, coSession] = key.split(" ");
    const row = await engine.rowStore.get(idOf(Number(number)));
    const stored = row?.coSessions.find(({ id }) => id === coSession)?.count ?? 0;
    if (stored < count) faults.push(`${key}: ${stored} of ${count}`);
  }
  return faults;
}

function viewsOf(directory: string): string[] {
  return readdirSync(dirname(directory)).filter((name) => name.startsWith(`${basename(directory)}.view-`));
}

test("a view of a busy store is sound, has all that was acknowledged before, and stands still", {
  timeout: 90_000,
}, async () => {
  const store = new BusyStore();
  const tables = new Set<string>();
  let written = 0;
  // Until tables have come and gone under the views: without that, this would prove little.
  for (let round = 0; round < 10 || tables.size <= store.tables.length + 5; round++) {
    written += 200;
    await store.written(written);
    const acknowledged = new Map(store.acknowledged);
    const view = await openView(store.directory);
    expect(view.frozen).toBe(true);
    for (const name of store.tables) tables.add(name);
    const { length } = view.engine.journal;
    expect(await faultsOf(view.engine, acknowledged), `view ${round}`).toEqual([]);
    await store.written(written + 50);
    expect(view.engine.journal.length).toBe(length);
    if (round % 3 === 0)
      expect(await faultsOf(view.engine, acknowledged), `view ${round}, later`).toEqual([]);
    await view.close();
  }
  expect(viewsOf(store.directory)).toEqual([]);
  await store.stop();
});

/** A store in this process, and what changes its files in the two ways that RocksDB has. */
async function changingStore() {
  const directory = newDirectory();
  const engine = await openEngine(directory);
  const storage = new SpriteStorage(engine);
  let stored = 0;
  const write = async () => {
    const content = { id: idOf(1), coSession: 1, after: stored, count: 50, header: stored === 0 };
    await storeDone(storage, contentOf(content));
    stored += 50;
    await engine.journal.flushTables();
  };
  const acknowledged = () => new Map([[`1 ${coSessionOf(1)}`, stored]]);
  return { directory, engine, storage, write, acknowledged };
}

/** Calls `meddle` before each step. */
function meddlingSteps(meddle: (step: number) => Promise<void>): FreezingSteps {
  let step = 0;
  const before =
    <Args extends unknown[], Result>(take: (...args: Args) => Result | Promise<Result>) =>
    async (...args: Args): Promise<Result> => {
      await meddle(step++);
      return take(...args);
    };
  return { ...STEPS, list: before(STEPS.list), link: before(STEPS.link), open: before(STEPS.open) };
}

test("files that change between two steps of freezing them do not harm the copy", async () => {
  const { directory, engine, storage, write, acknowledged } = await changingStore();
  // With what a reader has open, old tables stay on the disk for a while; without, they go away at once.
  const rewrite = async () => {
    const reading = engine.journal.rows("");
    await reading.next();
    await engine.journal.compact();
    return reading;
  };
  const rewriteAtOnce = () => engine.journal.compact();
  const cases = [
    { links: true, change: write },
    { links: true, change: rewrite },
    { links: true, change: rewriteAtOnce },
    { links: false, change: rewriteAtOnce },
  ];
  for (const { links, change } of cases) {
    for (let step = 0; step < 6; step++) {
      await write();
      const before = acknowledged();
      let reached = 0;
      let reading: AsyncGenerator | undefined;
      const steps = meddlingSteps(async (now) => {
        reached = now;
        if (now === step) reading = (await change()) ?? undefined;
      });
      const copy = newDirectory();
      await freezeFiles(join(directory, "db"), join(copy, "db"), { links, steps });
      expect(reached, "the step was reached").toBeGreaterThanOrEqual(Math.min(step, 4));
      const frozen = await openEngine(copy, { readOnly: true });
      expect(await faultsOf(frozen, before), `changed before step ${step}`).toEqual([]);
      await frozen.close();
      await reading?.return(undefined);
    }
  }
  await storage.close();
});

test("a store whose files change before every step, for half a minute, is frozen as soon as it lets a moment pass", async () => {
  const { directory, engine, storage, write, acknowledged } = await changingStore();
  let [now, pauses, changes] = [0, 0, 0];
  const steps: FreezingSteps = {
    ...meddlingSteps(async () => {
      if (now > 30_000) return;
      changes++;
      await write();
      await engine.journal.compact();
    }),
    now: () => now,
    // The clock runs faster than the store, or this would take half a minute.
    pause: async (ms) => {
      pauses++;
      now += 30 * ms;
    },
  };
  const copy = newDirectory();
  await freezeFiles(join(directory, "db"), join(copy, "db"), { steps });
  expect(pauses).toBeGreaterThan(10);
  expect(changes).toBeGreaterThan(pauses);
  const frozen = await openEngine(copy, { readOnly: true });
  expect(await faultsOf(frozen, acknowledged())).toEqual([]);
  await frozen.close();
  await storage.close();
});

test("a store that never lets a moment pass is given up after a minute, with a sentence that says why", async () => {
  const { directory, storage, write } = await changingStore();
  await write();
  let now = 0;
  const gone = () => {
    throw Object.assign(new Error("no such file"), { code: "ENOENT" });
  };
  const pause = async (ms: number) => {
    now += ms;
  };
  const copy = newDirectory();
  const freezing = freezeFiles(join(directory, "db"), join(copy, "db"), {
    steps: { ...STEPS, link: gone, now: () => now, pause },
  });
  await expect(freezing).rejects.toThrow("changes too fast");
  expect(now).toBeGreaterThan(60_000);
  await storage.close();
});

test("a checkpoint of a busy store is a store of its own, with all that was acknowledged before", async () => {
  const store = new BusyStore();
  await store.written(500);
  for (let round = 0; round < 4; round++) {
    const acknowledged = new Map(store.acknowledged);
    const copy = join(newDirectory(), "copy");
    const report = await checkpointStore(store.directory, copy);
    const engine = await openEngine(copy);
    expect(await faultsOf(engine, acknowledged)).toEqual([]);
    expect(report.covalues).toBe(engine.committer.count);
    const storage = new SpriteStorage(engine);
    const content = contentOf({ id: idOf(900), coSession: 9, after: 0, count: 3, bytes: 90_000 });
    await storeDone(storage, content);
    await engine.journal.compact();
    expect(await loadAll(storage, idOf(900))).toHaveLength(1);
    await storage.close();
  }
  // What was written to the copies has not reached the original.
  await store.stop();
  const original = await openEngine(store.directory);
  expect(await faultsOf(original, store.acknowledged)).toEqual([]);
  expect(await original.rowStore.get(idOf(900))).toBeUndefined();
  await original.close();
});

test("a checkpoint does not touch what is there, and leaves nothing behind when it fails", async () => {
  const directory = newDirectory();
  const storage = new SpriteStorage(await openEngine(directory));
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 0, count: 2 }));
  await storage.close();
  const target = newDirectory();
  writeFileSync(join(target, "precious"), "");
  await expect(checkpointStore(directory, target)).rejects.toThrow("exists already");
  expect(readdirSync(target)).toEqual(["precious"]);

  const empty = newDirectory();
  await expect(checkpointStore(empty, join(target, "copy"))).rejects.toThrow("store");
  expect(readdirSync(target)).toEqual(["precious"]);
});

test("a view that a killed process left behind is removed by the next one, those of living processes are not", async () => {
  const directory = newDirectory();
  const storage = new SpriteStorage(await openEngine(directory));
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 0, count: 2 }));
  const ended = spawn(process.execPath, ["-e", "0"]);
  await once(ended, "exit");
  const [abandoned, living] = [`${directory}.view-${ended.pid}-0`, `${directory}.view-${process.ppid}-0`];
  onTestFinished(async () => (await import("node:fs/promises")).rm(living, { recursive: true }));
  mkdirSync(abandoned);
  mkdirSync(living);
  const view = await openView(directory);
  expect(existsSync(abandoned)).toBe(false);
  expect(existsSync(living)).toBe(true);
  await view.close();
  await storage.close();
});
