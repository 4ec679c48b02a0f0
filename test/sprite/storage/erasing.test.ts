import { execFileSync } from "node:child_process";
import type { SessionID } from "cojson";
import { expect, test } from "vitest";
import { openStorage, type SpriteStorage } from "../../../sprite/storage/index.ts";
import { until } from "../../support/until.ts";
import { contentOf, coSessionOf, idOf, loadAll, storeDone, transactionsIn } from "./content.ts";
import { newDirectory, nodeOn, openForTest } from "./open-for-test.ts";

const id = idOf(1);
const DELETE_CO_SESSION = "co_zauthor1_session_d1$" as SessionID;

function kilobytesOf(directory: string): number {
  return Number(execFileSync("du", ["-sk", directory]).toString().split("\t")[0]);
}

async function storeLarge(storage: SpriteStorage, number: number, megabytes: number): Promise<void> {
  for (let message = 0; message < megabytes * 10; message++) {
    const after = message * 10;
    await storeDone(
      storage,
      contentOf({ id: idOf(number), coSession: 1, after, count: 10, header: after === 0, bytes: 10_000 }),
    );
  }
}

function storeDeletion(storage: SpriteStorage, number: number): Promise<void> {
  const deletion = contentOf({ id: idOf(number), coSession: 1, after: 0, count: 1, header: false });
  const [content] = Object.values(deletion.new);
  if (content === undefined) throw new Error("no content");
  storage.markDeleteAsValid(idOf(number));
  return storeDone(storage, { ...deletion, new: { [DELETE_CO_SESSION]: content } });
}

test("erasing a deleted CoValue keeps its tombstone for good, and its disk space is free at once", async () => {
  const directory = newDirectory();
  const storage = await openStorage(directory);
  await storeLarge(storage, 1, 12);
  await storeLarge(storage, 2, 1);
  await storeDeletion(storage, 1);
  const full = kilobytesOf(directory);
  await storage.eraseAllDeletedCoValues();
  await storage.close();
  expect(full).toBeGreaterThan(12_000);
  expect(kilobytesOf(directory)).toBeLessThan(full - 11_000);

  const reopened = await openForTest(directory);
  const messages = (await loadAll(reopened, id)) ?? [];
  expect(messages[0]?.header).toBeDefined();
  expect(Object.keys(transactionsIn(messages, id))).toEqual([DELETE_CO_SESSION]);
  const neighbour = (await loadAll(reopened, idOf(2))) ?? [];
  expect(transactionsIn(neighbour, idOf(2))[coSessionOf(1)]).toHaveLength(100);
  expect(await new Promise((resolve) => reopened.getCoValueCount(resolve))).toBe(2);
});

test("a deletion that cojson did not call valid erases nothing", async () => {
  const storage = await openForTest();
  await storeLarge(storage, 1, 1);
  const deletion = contentOf({ id, coSession: 1, after: 0, count: 1, header: false });
  await storeDone(storage, {
    ...deletion,
    new: { [DELETE_CO_SESSION]: Object.values(deletion.new)[0] },
  } as typeof deletion);
  await storage.eraseAllDeletedCoValues();
  const messages = (await loadAll(storage, id)) ?? [];
  expect(transactionsIn(messages, id)[coSessionOf(1)]).toHaveLength(100);
});

test("background erasure runs on its own when it is enabled", async () => {
  const storage = await openForTest();
  const node = await nodeOn(storage);
  const map = node.createGroup().createMap();
  map.set("k", "v");
  await map.core.waitForSync();
  map.core.deleteCoValue();
  await map.core.waitForSync();
  node.enableDeletedCoValuesErasure();
  const left = await until(
    async () => {
      const coSessions = Object.keys(transactionsIn((await loadAll(storage, map.id)) ?? [], map.id));
      return coSessions.length === 1 && coSessions;
    },
    { what: "the history of the deleted CoValue being gone" },
  );
  expect(left[0]).toMatch(/_session_d.*\$$/);
});
