import { cpSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { zstdDecompressSync } from "node:zlib";
import { expect, onTestFinished, test } from "vitest";
import {
  type BackupOptions,
  type BackupPlace,
  backUp,
  listBackups,
  openPlace,
  parseTime,
  restoreBackup,
} from "../../../../sprite/storage/backup/index.ts";
import { openEngine, openStorage } from "../../../../sprite/storage/open-storage.ts";
import { contentOf, idOf, loadAll, storeDone } from "../content.ts";
import { newDirectory } from "../open-for-test.ts";
import { contentsOf, makeSampleStore } from "../sample-store.ts";
import { directoryPlace, KINDS, keysIn, WatchedPlace } from "./places.ts";
import { soundState, wholeState } from "./whole-state.ts";
import { markOf, WrittenStore } from "./written-store.ts";

/** Small objects, so that little content makes many. */
const SMALL: BackupOptions = { segmentBytes: 2_000 };
const DAY_MS = 24 * 60 * 60 * 1000;

/** A clock that stands at `day` days after some beginning. */
function dayClock(day: number): () => Date {
  return () => new Date(Date.UTC(2026, 0, 1) + day * DAY_MS);
}

async function restored(place: BackupPlace, options: Parameters<typeof restoreBackup>[2] = {}) {
  const directory = join(newDirectory(), "restored");
  await restoreBackup(place, directory, options);
  return soundState(directory);
}

/** Names of files left beside a directory that a restore was for. */
function besides(directory: string): string[] {
  return readdirSync(dirname(directory)).filter((name) => name.startsWith(basename(directory)));
}

for (const [kind, open] of Object.entries(KINDS)) {
  test(`each backup in ${kind} restores the store as it was then, and costs only what is new`, async () => {
    const place = await open();
    const store = await WrittenStore.open();
    const taken: { at: string; state: unknown }[] = [];
    const written: number[] = [];
    for (let round = 0; round < 5; round++) {
      await store.addAll(round === 0 ? 300 : 4);
      await store.unsync(round, "peer");
      const { at, bytesWritten, made } = await backUp(store.engine, place);
      expect(made).toBe(true);
      written.push(bytesWritten);
      taken.push({ at, state: await wholeState(store.engine) });
    }
    for (const { at, state } of taken) expect(await restored(place, { at: new Date(at) })).toEqual(state);
    expect(await restored(place)).toEqual(taken.at(-1)?.state);
    const again = await backUp(store.engine, place);
    expect(again).toMatchObject({ made: false, objectsWritten: 0, at: taken.at(-1)?.at });
    const [first = 0, ...others] = written;
    // A kilobyte: the few messages since the start of the last small segment are joined.
    expect(first).toBeGreaterThan(0);
    expect(others.length).toBe(4);
  });
}

test("a full copy and its increments take as much as the content, not as much as all copies", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(2_000, 500);
  const full = await backUp(store.engine, place, { segmentBytes: 200_000 });
  for (let round = 0; round < 10; round++) {
    await store.add(round);
    const { bytesWritten, objectsWritten } = await backUp(store.engine, place, { segmentBytes: 200_000 });
    expect(objectsWritten).toBe(1);
    expect(bytesWritten).toBeLessThan(full.bytesWritten / 4);
  }
});

test("accounts, groups, streams and deletions come back for a LocalNode as they were", async () => {
  const directory = newDirectory();
  await makeSampleStore(directory);
  const place = await directoryPlace();
  const engine = await openEngine(directory, { readOnly: true });
  await backUp(engine, place, { segmentBytes: 100_000 });
  await engine.close();
  const target = join(newDirectory(), "restored");
  const report = await restoreBackup(place, target);
  const original = await contentsOf(directory);
  expect(report.covalues).toBe(Object.keys(original).length);
  expect(await contentsOf(target)).toEqual(original);
  expect(await soundState(target)).toEqual(await soundState(directory));
});

test("a restored store takes writes, and its own backups stand beside those of the old one", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(20);
  await backUp(store.engine, place);
  const before = await wholeState(store.engine);
  const target = newDirectory();
  await restoreBackup(place, target);
  const storage = await openStorage(target);
  await storeDone(storage, contentOf({ id: idOf(500), coSession: 3, after: 0, count: 2 }));
  expect(await loadAll(storage, idOf(500))).toHaveLength(1);
  await storage.close();
  const engine = await openEngine(target, { readOnly: true });
  onTestFinished(() => engine.close());
  const { full, store: id } = await backUp(engine, place);
  expect(full).toBe("first");
  const failed = await restoreBackup(place, newDirectory()).catch((error: unknown) => String(error));
  expect(failed).toContain("backups of 2 stores");
  expect(failed).toContain(id);
  expect(await restored(place, { store: id })).toEqual(await wholeState(engine));
  const [other = ""] = (await listBackups(place)).map((backup) => backup.store).filter((name) => name !== id);
  expect(await restored(place, { store: other.slice(0, 8) })).toEqual(before);
});

test("two stores and many processes may back up into one place at the same time", async () => {
  const place = await directoryPlace();
  const one = await WrittenStore.open();
  const two = await WrittenStore.open();
  await one.addAll(30);
  await two.addAll(40, 100);
  const runs = [one, two, one, two, one].map((store) => backUp(store.engine, place, SMALL));
  const reports = await Promise.all(runs);
  await one.add(1, 5);
  await two.add(2, 5);
  const later = await Promise.all([one, one, two, two].map((store) => backUp(store.engine, place, SMALL)));
  for (const [store, report] of [
    [one, reports[0]],
    [two, reports[1]],
  ] as const) {
    expect(await restored(place, { store: report?.store ?? "" })).toEqual(await wholeState(store.engine));
  }
  for (const { at, store } of [...reports, ...later]) {
    expect((await restored(place, { at: new Date(at), store })).count).toBeGreaterThanOrEqual(30);
  }
});

test("a copy that went its own way, and one that fell back, begin new generations; nothing is mixed", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(30);
  await store.close();
  const copy = newDirectory();
  cpSync(store.directory, copy, { recursive: true });
  await store.reopen();
  const first = await backUp(store.engine, place, SMALL);
  await store.add(1, 3);
  const second = await backUp(store.engine, place, SMALL);
  expect(second.full).toBeUndefined();
  const original = await wholeState(store.engine);

  const fork = await WrittenStore.open(copy);
  const shorter = await backUp(fork.engine, place, SMALL);
  expect(shorter.full).toBe("other-log");
  expect(shorter.store).toBe(first.store);
  const atFork = await wholeState(fork.engine);
  await fork.add(700, 3);
  await fork.add(701, 3);
  // What the fork has backed up is the beginning of this one, too.
  expect((await backUp(store.engine, place, SMALL)).full).toBeUndefined();
  const diverged = await backUp(fork.engine, place, SMALL);
  expect(diverged.full).toBe("other-log");
  expect(await restored(place, { at: new Date(second.at) })).toEqual(original);
  expect(await restored(place, { at: new Date(shorter.at) })).toEqual(atFork);
  expect(await restored(place)).toEqual(await wholeState(fork.engine));
});

test("a generation is replaced when it is old, or when that is asked for", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(5);
  const at = (day: number, options: BackupOptions = {}) =>
    backUp(store.engine, place, { ...options, fullAfterDays: 7, now: dayClock(day) });
  expect((await at(0)).full).toBe("first");
  await store.add(1);
  expect((await at(6)).full).toBeUndefined();
  expect((await at(8)).full).toBe("old");
  expect(await at(9)).toMatchObject({ made: false });
  expect((await at(9, { full: true })).full).toBe("asked");
  expect(new Set((await listBackups(place)).map(({ generation }) => generation)).size).toBe(3);
});

test("what was erased is not in new objects, and leaves the place with the old generations", async () => {
  const directory = newDirectory();
  const place = await directoryPlace(directory);
  const store = await WrittenStore.open();
  await store.addAll(10);
  await store.add(3, 4, { coSession: 77 });
  const at = (day: number) =>
    backUp(store.engine, place, { fullAfterDays: 7, keepDays: 10, now: dayClock(day), segmentBytes: 500 });
  await at(0);
  const holders = () =>
    readdirSync(directory, { recursive: true, encoding: "utf8" }).filter(
      (name) =>
        name.endsWith(".zst") && zstdDecompressSync(readFileSync(join(directory, name))).includes(markOf(77)),
    );
  expect(holders()).toHaveLength(1);
  await store.delete(3);
  // Buried and not swept: the blocks are still in the log, and must not be shipped any more.
  await store.bury();
  const [old] = holders();
  await at(8);
  expect(holders()).toEqual([old]);
  await store.erase();
  await store.add(1);
  expect((await at(9)).pruned).toEqual({ generations: 0, objects: 0 });
  const state = await restored(place);
  expect(state).toEqual(await wholeState(store.engine));
  expect(state.values[3]).toMatchObject({ id: idOf(3), erased: true });
  await store.add(2);
  const last = await at(11);
  expect(last.pruned.generations).toBe(1);
  expect(last.pruned.objects).toBeGreaterThan(3);
  expect(holders()).toEqual([]);
  expect(await restored(place)).toEqual(await wholeState(store.engine));
});

test("a restore leaves nothing of what was erased between two backups in the new store's files", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(10);
  await store.add(3, 4, { coSession: 77, bytes: 5_000 });
  await backUp(store.engine, place, { segmentBytes: 500 });
  await store.delete(3);
  await store.erase();
  await backUp(store.engine, place, { segmentBytes: 500 });
  const target = newDirectory();
  await restoreBackup(place, target);
  for (const name of readdirSync(join(target, "db"))) {
    const bytes = readFileSync(join(target, "db", name));
    expect(bytes.includes(`${markOf(77)}/0`), name).toBe(false);
  }
  expect(await soundState(target)).toEqual(await wholeState(store.engine));
});

test("the newest generation is never pruned, however old, and nothing is without keepDays", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(5);
  await backUp(store.engine, place, { now: dayClock(0) });
  await store.add(1);
  await backUp(store.engine, place, { now: dayClock(1), full: true });
  const later = await backUp(store.engine, place, { now: dayClock(400), fullAfterDays: 1_000 });
  expect(later).toMatchObject({ made: false, pruned: { generations: 0 } });
  const pruned = await backUp(store.engine, place, { now: dayClock(400), fullAfterDays: 1_000, keepDays: 1 });
  expect(pruned.pruned.generations).toBe(1);
  expect(await restored(place)).toEqual(await wholeState(store.engine));
});

test("a pending deletion is pending again, and is then erased", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(5);
  await store.delete(2);
  await backUp(store.engine, place);
  const target = newDirectory();
  await restoreBackup(place, target);
  expect((await soundState(target)).pending).toEqual([idOf(2)]);
  const storage = await openStorage(target);
  await storage.eraseAllDeletedCoValues();
  await storage.close();
  await store.erase();
  expect(await soundState(target)).toEqual(await wholeState(store.engine));
});

test("a backup that fails at any write leaves the earlier ones, and the next one uses what it has left", {
  timeout: 120_000,
}, async () => {
  for (const moment of ["before", "after"] as const) {
    const place = await directoryPlace();
    const store = await WrittenStore.open();
    await store.addAll(24);
    let failures = 0;
    let state = await wholeState(store.engine);
    let backups = 0;
    for (let first = true; ; ) {
      // Each attempt gets one object further.
      const failing = failingAt(place, moment);
      const failed = await backUp(store.engine, failing, SMALL).then(
        () => false,
        (error: unknown) => String(error).includes("cut off"),
      );
      if (moment === "before") expect((await listBackups(place)).length).toBe(backups + (failed ? 0 : 1));
      if (failed) {
        failures++;
        if (backups > 0 && moment === "before") expect(await restored(place)).toEqual(state);
        continue;
      }
      state = await wholeState(store.engine);
      expect(await restored(place)).toEqual(state);
      if (!first) break;
      // The same for an increment of several objects.
      first = false;
      backups = (await listBackups(place)).length;
      await store.addAll(24, 300);
    }
    expect(failures).toBeGreaterThan(8);
    expect(new Set((await keysIn(place)).map((key) => key.split("/")[1])).size).toBe(1);
  }
});

test("a prune that fails at any object leaves every backup that is listed restorable", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  for (let day = 0; day < 3; day++) {
    await store.addAll(5);
    await backUp(store.engine, place, { ...SMALL, now: dayClock(day), full: true });
  }
  const options = { ...SMALL, now: dayClock(2.5), keepDays: 1 };
  for (let limit = 1; ; limit++) {
    let deletes = 0;
    const failing = new WatchedPlace(place, (call) => {
      if (call === "delete" && ++deletes >= limit) throw new Error("cut off");
    });
    const done = await backUp(store.engine, failing, options).then(
      () => true,
      () => false,
    );
    for (const { at } of await listBackups(place)) await restored(place, { at: new Date(at) });
    if (done) break;
    expect(limit).toBeLessThan(100);
  }
  expect((await listBackups(place)).length).toBe(1);
});

test("a missing or damaged object is named, nothing is restored, and earlier backups still can be", {
  timeout: 120_000,
}, async () => {
  for (const harm of ["remove", "flip", "cut", "swap"] as const) {
    const directory = newDirectory();
    const place = await directoryPlace(directory);
    const store = await WrittenStore.open();
    await store.addAll(10);
    const first = await backUp(store.engine, place, SMALL);
    const state = await wholeState(store.engine);
    const before = new Set(await keysIn(place));
    await store.addAll(10, 700);
    const second = await backUp(store.engine, place, SMALL);
    const added = (await keysIn(place)).filter((key) => !before.has(key));
    expect(added.length).toBeGreaterThan(3);
    for (const key of added) {
      const file = join(directory, key);
      const bytes = readFileSync(file);
      harmFile(file, bytes, harm, join(directory, added.find((other) => other !== key) ?? ""));
      const target = join(newDirectory(), "target");
      const failed = restoreBackup(place, target);
      const listed = key.includes("/backups/");
      if (listed && harm === "remove") await failed;
      else {
        await expect(failed).rejects.toMatchObject({
          code: "storage-failed",
          message: expect.stringContaining(key),
        });
        expect(besides(target)).toEqual([]);
        if (listed) expect((await listBackups(place)).at(-1)?.wrong).toBe("is damaged");
      }
      expect(await restored(place, { at: new Date(first.at) })).toEqual(state);
      writeFileSync(file, bytes);
    }
    expect(await restored(place, { at: new Date(second.at) })).toEqual(await wholeState(store.engine));
  }
});

test("what the place has lost is made good by the next backup", async () => {
  const directory = newDirectory();
  const place = await directoryPlace(directory);
  const store = await WrittenStore.open();
  await store.addAll(60);
  await backUp(store.engine, place, SMALL);
  const segment = (await keysIn(place)).find((key) => key.includes("/segments/")) ?? "";
  rmSync(join(directory, segment));
  expect((await backUp(store.engine, place, SMALL)).full).toBe("incomplete");
  expect(await restored(place)).toEqual(await wholeState(store.engine));
  const record = (await keysIn(place)).findLast((key) => key.includes("/backups/")) ?? "";
  writeFileSync(join(directory, record), "{}");
  expect((await backUp(store.engine, place, SMALL)).full).toBe("incomplete");
  expect(await restored(place)).toEqual(await wholeState(store.engine));
});

test("a backup whose parts another process removes while it is made fails, and does not count as one", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(20);
  const meddling = new WatchedPlace(place, async (call, key) => {
    if (call !== "put" || !key.includes("/backups/")) return;
    const segments = (await keysIn(place)).filter((other) => other.includes("/segments/"));
    await place.delete(segments[0] ?? "");
  });
  await expect(backUp(store.engine, meddling, SMALL)).rejects.toMatchObject({ code: "transient" });
  expect(await listBackups(place)).toEqual([]);
});

test("a backup of a newer program is refused, also by the one that would add to it", async () => {
  const { createHash } = await import("node:crypto");
  const directory = newDirectory();
  const place = await directoryPlace(directory);
  const store = await WrittenStore.open();
  await store.addAll(3);
  await backUp(store.engine, place);
  const key = (await keysIn(place)).find((name) => name.includes("/backups/")) ?? "";
  const record = JSON.parse(readFileSync(join(directory, key), "utf8"));
  for (const newer of [
    { version: 2, format: record.format },
    { ...record, storeFormat: 99 },
  ]) {
    const bytes = Buffer.from(JSON.stringify(newer));
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 32);
    const name = key
      .replace(/-[0-9a-f]{32}\.json$/, `-${hash}.json`)
      .replace(/backups\/\d{4}/, "backups/2999");
    await place.put(name, bytes);
    const failed = await restoreBackup(place, newDirectory()).catch((error: unknown) => error);
    expect(failed).toMatchObject({
      code: "config-invalid",
      message: expect.stringContaining("newer version"),
    });
    await expect(backUp(store.engine, place)).rejects.toThrow("newer version");
    await place.delete(name);
  }
});

test("a restore touches no directory that is used, and says what there is when there is no backup for it", async () => {
  const place = await directoryPlace();
  const used = newDirectory();
  writeFileSync(join(used, "precious"), "");
  await expect(restoreBackup(place, newDirectory())).rejects.toThrow("no backup");
  const store = await WrittenStore.open();
  await store.addAll(3);
  const { at } = await backUp(store.engine, place);
  await expect(restoreBackup(place, used)).rejects.toThrow("not an empty directory");
  await expect(restoreBackup(place, join(used, "precious"))).rejects.toThrow("not an empty directory");
  expect(readdirSync(used)).toEqual(["precious"]);
  const early = new Date(new Date(at).getTime() - 1);
  await expect(restoreBackup(place, newDirectory(), { at: early })).rejects.toThrow(
    `the first one is from ${at}`,
  );
  await expect(restoreBackup(place, newDirectory(), { store: "feed" })).rejects.toThrow("feed");
  const nowhere = await openPlace(join(newDirectory(), "none"), {});
  await expect(restoreBackup(nowhere, newDirectory())).rejects.toThrow("no backup");
});

test("a time has a zone, or is a day", () => {
  expect(parseTime("2026-01-31T18:00:00Z").toISOString()).toBe("2026-01-31T18:00:00.000Z");
  expect(parseTime("2026-01-31T18:00+02:00").toISOString()).toBe("2026-01-31T16:00:00.000Z");
  expect(parseTime("2026-01-31").toISOString()).toBe("2026-01-31T00:00:00.000Z");
  for (const text of ["2026-01-31T18:00:00", "yesterday", "2026-13-01", "1", ""]) {
    expect(() => parseTime(text)).toThrow("Use ISO 8601");
  }
});

/** Takes one object: then it fails before the next one, or does not say that it has taken it. */
function failingAt(place: BackupPlace, moment: "before" | "after"): BackupPlace {
  const limit = moment === "before" ? 2 : 1;
  let puts = 0;
  return new WatchedPlace(place, async (call, key, bytes) => {
    if (call !== "put" || ++puts !== limit) return;
    // The object arrived, and the answer did not.
    if (moment === "after") await place.put(key, bytes);
    throw new Error("cut off");
  });
}

function harmFile(
  file: string,
  bytes: Buffer,
  harm: "remove" | "flip" | "cut" | "swap",
  other: string,
): void {
  const middle = bytes.length >> 1;
  if (harm === "remove") rmSync(file);
  if (harm === "cut") writeFileSync(file, bytes.subarray(0, middle));
  if (harm === "swap") writeFileSync(file, readFileSync(other));
  if (harm !== "flip") return;
  const flipped = Buffer.from(bytes);
  flipped.writeUInt8((flipped[middle] ?? 0) ^ 1, middle);
  writeFileSync(file, flipped);
}
