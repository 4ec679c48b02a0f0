import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { auditStore } from "../../../../sprite/storage/audit.ts";
import { type BackupPlace, backUp, restoreBackup } from "../../../../sprite/storage/backup/index.ts";
import { openEngine } from "../../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../../sprite/storage/sprite-storage.ts";
import { openView } from "../../../../sprite/storage/store-view.ts";
import { until } from "../../../support/until.ts";
import { idOf, loadAll, transactionOf, transactionsIn } from "../content.ts";
import { newDirectory } from "../open-for-test.ts";
import { directoryPlace, WatchedPlace } from "./places.ts";
import { soundState, wholeState } from "./whole-state.ts";
import { WrittenStore } from "./written-store.ts";

const BACKUPS = 8;
const writer = fileURLToPath(new URL("../crash-child.ts", import.meta.url));

type Counts = ReadonlyMap<string, number>;

/** A process that writes as fast as it can; what it was acknowledged, by CoValue and coSession. */
class Writer {
  readonly directory = newDirectory();
  readonly acknowledged = new Map<string, number>();
  readonly #process: ChildProcess;

  constructor() {
    this.#process = spawn(process.execPath, [writer, this.directory, "11", "flush"], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    onTestFinished(() => void this.#process.kill("SIGKILL"));
    if (this.#process.stdout === null) throw new Error("the writer has no output");
    createInterface({ input: this.#process.stdout }).on("line", (line) => {
      const [kind, number = "", coSession = "", count] = line.split(" ");
      if (kind === "ack") this.acknowledged.set(`${number} ${coSession}`, Number(count));
    });
  }

  async more(transactions: number): Promise<void> {
    const sum = () => [...this.acknowledged.values()].reduce((all, count) => all + count, 0);
    const wanted = sum() + transactions;
    await until(() => sum() >= wanted, { what: `${wanted} transactions being written`, timeoutMs: 60_000 });
  }

  async stop(): Promise<void> {
    this.#process.kill("SIGKILL");
    if (this.#process.exitCode === null && this.#process.signalCode === null) {
      await once(this.#process, "exit");
    }
  }
}

/** Every transaction must be the one that was written. @returns how many there are of each coSession */
async function countsOf(directory: string): Promise<Counts> {
  const engine = await openEngine(directory);
  const storage = new SpriteStorage(engine);
  const counts = new Map<string, number>();
  const { problems } = await auditStore(engine.journal, engine.rowStore);
  expect(problems).toEqual([]);
  const ids = await engine.ids(1_000, 0);
  for (const id of ids) {
    const number = Number(id.replace(/^co_za*/, ""));
    expect(id).toBe(idOf(number));
    const transactions = transactionsIn((await loadAll(storage, id)) ?? [], id);
    for (const [coSession, texts] of Object.entries(transactions)) {
      counts.set(`${number} ${coSession}`, texts.length);
      const bytes = coSession.includes("author0_") ? 3_000 : 60;
      texts.forEach((text, index) => {
        if (text !== JSON.stringify(transactionOf(index, coSession, bytes)))
          throw new Error(`${id} ${index} differs`);
      });
    }
  }
  await storage.close();
  return counts;
}

test(`each of ${BACKUPS} backups of a store that another process writes to has all that was acknowledged before it`, {
  timeout: 300_000,
}, async () => {
  const place = await directoryPlace();
  const store = new Writer();
  const taken: { at: string; acknowledged: Counts; began: Counts }[] = [];
  let full = 0;
  for (let round = 0; round < BACKUPS; round++) {
    await store.more(100);
    const acknowledged = new Map(store.acknowledged);
    const view = await openView(store.directory);
    const report = await backUp(view.engine, place, { segmentBytes: 300_000 });
    await view.close();
    expect(report).toMatchObject({ made: true, damaged: 0 });
    if (report.full !== undefined) full++;
    taken.push({ at: report.at, acknowledged, began: new Map(store.acknowledged) });
  }
  await store.stop();
  expect(full).toBe(1);
  let before: Counts = new Map();
  for (const { at, acknowledged } of taken) {
    const target = join(newDirectory(), "restored");
    await restoreBackup(place, target, { at: new Date(at) });
    const counts = await countsOf(target);
    for (const [key, count] of [...acknowledged, ...before]) {
      expect(counts.get(key) ?? 0, `${key} at ${at}`).toBeGreaterThanOrEqual(count);
    }
    before = counts;
  }
});

/** Calls `meddle` once, after the first object was put. */
function meddlingAfterFirst(place: BackupPlace, meddle: () => Promise<void>): BackupPlace {
  let puts = 0;
  return new WatchedPlace(place, async (call) => {
    if (call === "put" && ++puts === 2) await meddle();
  });
}

test("a store that writes, deletes and erases while it backs itself up loses nothing of the rest", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(400, 200);
  const before = await wholeState(store.engine);
  const meddling = meddlingAfterFirst(place, async () => {
    // Far beyond what has been read.
    await store.delete(390);
    await store.erase();
    await store.add(500, 3);
    await store.delete(391);
  });
  const report = await backUp(store.engine, meddling, { segmentBytes: 5_000 });
  expect(report.damaged).toBe(0);
  const target = join(newDirectory(), "restored");
  await restoreBackup(place, target);
  const state = await soundState(target);
  const others = ({ values }: typeof state) => values.filter(({ ordinal }) => ordinal < 390 || ordinal > 391);
  expect(others(state).slice(0, 398)).toEqual(others(before));
  // Its blocks were cleared under the backup, so its tombstone must be there.
  expect(state.values[390]).toMatchObject({ id: idOf(390), erased: true });
  // With the tombstone came what was written until the gap was seen.
  expect(state).toEqual(await wholeState(store.engine));
  expect(state.pending).toEqual([idOf(391)]);
});

test("a store that erases while only new content is backed up is restored as it was", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(100, 200);
  await backUp(store.engine, place, { segmentBytes: 5_000 });
  await store.addAll(100, 200);
  await store.add(7, 3, { coSession: 5 });
  const meddling = meddlingAfterFirst(place, async () => {
    await store.delete(95);
    await store.erase();
  });
  await backUp(store.engine, meddling, { segmentBytes: 5_000 });
  const target = join(newDirectory(), "restored");
  await restoreBackup(place, target);
  expect(await soundState(target)).toEqual(await wholeState(store.engine));
});
