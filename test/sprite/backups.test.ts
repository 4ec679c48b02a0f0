import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { LIMITS } from "../../shared/limits.ts";
import { type BackedUpStore, Backups, makeBackups } from "../../sprite/backups.ts";
import { listBackups, openPlace, restoreBackup } from "../../sprite/storage/backup/index.ts";
import { openStorage } from "../../sprite/storage/index.ts";
import { until } from "../support/until.ts";
import { contentOf, idOf, loadAll, storeDone } from "./storage/content.ts";
import { SILENT, temporaryDirectory } from "./support.ts";

const EVERY_MS = 60_000;

/** A real store with backups in a directory, a clock to turn, and how often a backup was begun. */
async function backedUp(directory = temporaryDirectory()) {
  const storage = await openStorage(join(directory, "store"));
  onTestFinished(() => storage.close());
  const where = join(directory, "place");
  const markFile = join(directory, "store.backed-up");
  let [time, begun, number] = [0, 0, 0];
  let stuck: Promise<void> | undefined;
  const store: BackedUpStore = {
    get length() {
      return storage.length;
    },
    mark: (length) => storage.mark(length),
    backUp: async (signal) => {
      begun++;
      await stuck;
      return storage.backUp({ place: where, env: {}, keepDays: undefined, signal });
    },
  };
  const start = () =>
    new Backups({ store, place: where, markFile, everyMs: EVERY_MS, log: SILENT, now: () => time });
  return {
    directory,
    where,
    markFile,
    storage,
    start,
    write: async () => {
      const content = { id: idOf(100 + begun * 10 + number++), coSession: 1, after: 0, count: 2 };
      await storeDone(storage, contentOf(content));
    },
    pass: (ms: number) => {
      time += ms;
    },
    /** What begins from now on hangs, until the answer is called. */
    hang: () => {
      let go = () => {};
      stuck = new Promise((resolve) => {
        go = () => {
          stuck = undefined;
          resolve();
        };
      });
      return go;
    },
    begun: () => begun,
    backups: async () => {
      const place = await openPlace(where, {});
      return listBackups(place).finally(() => place.close());
    },
    asleep: (backups: Backups) => until(() => backups.readyToSleep(), { what: "the way to sleep" }),
  };
}

test("before it sleeps, what is new is backed up, once", async () => {
  const { directory, where, start, write, begun, asleep, backups: made } = await backedUp();
  const backups = start();
  expect(backups.health).toBe("none");
  await write();
  expect(backups.readyToSleep()).toBe(false);
  await asleep(backups);
  expect([begun(), backups.health]).toEqual([1, "ok"]);
  expect(await made()).toHaveLength(1);
  expect(backups.readyToSleep()).toBe(true);

  const place = await openPlace(where, {});
  await restoreBackup(place, join(directory, "restored"));
  await place.close();
  const restored = await openStorage(join(directory, "restored"));
  expect(await loadAll(restored, idOf(100))).toHaveLength(1);
  await restored.close();
});

test("a process that only reads asks the place nothing; another store in its directory is backed up", async () => {
  const { markFile, start, write, begun, asleep } = await backedUp();
  await write();
  await asleep(start());
  await asleep(start());
  expect(begun()).toBe(1);
  const [where, length, hash] = JSON.parse(readFileSync(markFile, "utf8"));
  for (const mark of [
    [where, length, `0${hash}`],
    [`${where}2`, length, hash],
    [where, length + 1, hash],
  ]) {
    writeFileSync(markFile, JSON.stringify(mark));
    const before = begun();
    await asleep(start());
    expect(begun(), JSON.stringify(mark)).toBe(before + 1);
  }
});

test("while it stays awake, what is new is backed up every so often", async () => {
  const { start, write, pass, begun } = await backedUp();
  const backups = start();
  const checks = async (ms: number) => {
    pass(ms);
    backups.check();
    await until(() => !backups.running);
    // The mark is read by the first check, and looked at by the second.
    await until(async () => {
      backups.check();
      return !backups.running;
    });
  };
  await write();
  await checks(EVERY_MS - 1);
  expect(begun()).toBe(0);
  await checks(1);
  await until(() => {
    backups.check();
    return begun() === 1 && !backups.running;
  });
  await write();
  await checks(EVERY_MS - 1);
  expect(begun()).toBe(1);
  await checks(1);
  expect(begun()).toBe(2);
  await checks(10 * EVERY_MS);
  expect(begun(), "nothing was new").toBe(2);
});

test("a backup that fails is shown and tried again later, and keeps nobody from sleeping", async () => {
  const { where, start, write, pass, begun, asleep, backups: made } = await backedUp();
  writeFileSync(where, "no directory");
  const backups = start();
  await write();
  await asleep(backups);
  expect([begun(), backups.health]).toEqual([1, "failed"]);
  backups.check();
  expect(begun()).toBe(1);
  rmSync(where);
  mkdirSync(where);
  pass(EVERY_MS);
  backups.check();
  await until(() => !backups.running);
  expect([begun(), backups.health]).toEqual([2, "ok"]);
  expect(await made()).toHaveLength(1);
});

test("a backup that hangs keeps the Sprite awake no longer than its limit, and writes nothing after that", async () => {
  const { start, write, pass, hang, begun, asleep, backups: made } = await backedUp();
  const backups = start();
  await write();
  const go = hang();
  await until(() => !backups.readyToSleep() && begun() === 1);
  pass(LIMITS.backupAwakeMs - 1);
  expect(backups.readyToSleep()).toBe(false);
  pass(1);
  expect(backups.readyToSleep()).toBe(true);
  go();
  await until(() => !backups.running);
  expect(await made()).toEqual([]);
  // The next process has all of it to do.
  await asleep(start());
  expect(await made()).toHaveLength(1);
});

test("a Sprite that is stopped makes a last backup, or gives it up when that takes too long", async () => {
  const { start, write, hang, storage, begun, backups: made } = await backedUp();
  await write();
  await start().close(60_000);
  expect([begun(), (await made()).length]).toEqual([1, 1]);
  await write();
  const go = hang();
  await start().close(50);
  expect(begun()).toBe(2);
  await storage.close();
  go();
  expect(await made()).toHaveLength(1);
});

test("the settings' backups are made where they say", async () => {
  const directory = temporaryDirectory();
  const storage = await openStorage(join(directory, "store"));
  onTestFinished(() => storage.close());
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 0, count: 2 }));
  const config = { place: join(directory, "place"), everyMs: EVERY_MS, keepDays: 30, env: NO_KEYS };
  await makeBackups(storage, config, join(directory, "mark"), SILENT).close(60_000);
  const place = await openPlace(config.place, {});
  expect(await listBackups(place)).toMatchObject([{ covalues: 1 }]);
  await place.close();
});

const NO_KEYS = {
  AWS_ACCESS_KEY_ID: undefined,
  AWS_SECRET_ACCESS_KEY: undefined,
  AWS_SESSION_TOKEN: undefined,
  AWS_REGION: undefined,
  AWS_ENDPOINT_URL_S3: undefined,
};
