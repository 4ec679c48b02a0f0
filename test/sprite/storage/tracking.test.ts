import type { RawCoID, SessionID, StorageReconciliationAcquireResult } from "cojson";
import type { PeerID } from "cojson/dist/sync.js";
import { expect, test } from "vitest";
import { openStorage, type SpriteStorage } from "../../../sprite/storage/index.ts";
import { contentOf, idOf, storeDone } from "./content.ts";
import { newDirectory, openForTest } from "./open-for-test.ts";

const peer = "peer" as PeerID;
const coSession = (number: number) => `co_zauthor_session_z${number}` as SessionID;

function idsOf(storage: SpriteStorage, limit: number, offset: number): Promise<string[]> {
  return new Promise((resolve) =>
    storage.getCoValueIDs(limit, offset, (batch) => resolve(batch.map(({ id }) => id))),
  );
}

function unsyncedIn(storage: SpriteStorage): Promise<RawCoID[]> {
  return new Promise((resolve) => storage.getUnsyncedCoValueIDs(resolve));
}

function acquire(storage: SpriteStorage, holder: SessionID): Promise<StorageReconciliationAcquireResult> {
  return new Promise((resolve) => storage.tryAcquireStorageReconciliationLock(holder, peer, resolve));
}

test("ids come in the order of creation, which neither growth nor a reopening changes", async () => {
  const directory = newDirectory();
  const storage = await openStorage(directory);
  const numbers = [5, 3, 9, 1, 7];
  for (const number of numbers)
    await storeDone(storage, contentOf({ id: idOf(number), coSession: 1, after: 0, count: 1 }));
  await storeDone(storage, contentOf({ id: idOf(9), coSession: 1, after: 1, count: 1 }));
  expect(await idsOf(storage, 100, 0)).toEqual(numbers.map(idOf));
  await storage.close();

  const reopened = await openForTest(directory);
  await storeDone(reopened, contentOf({ id: idOf(2), coSession: 1, after: 0, count: 1 }));
  expect(await idsOf(reopened, 2, 0)).toEqual([idOf(5), idOf(3)]);
  expect(await idsOf(reopened, 2, 4)).toEqual([idOf(7), idOf(2)]);
  expect(await idsOf(reopened, 2, 6)).toEqual([]);
  expect(await new Promise((resolve) => reopened.getCoValueCount(resolve))).toBe(6);
});

test("what is not synced yet is remembered by CoValue and peer until it is, or until nobody asks any more", async () => {
  const directory = newDirectory();
  const storage = await openStorage(directory);
  const other = "other" as PeerID;
  await new Promise<void>((done) =>
    storage.trackCoValuesSyncState(
      [
        { id: idOf(1), peerId: peer, synced: false },
        { id: idOf(1), peerId: other, synced: false },
        { id: idOf(2), peerId: peer, synced: false },
        { id: idOf(3), peerId: peer, synced: false },
      ],
      done,
    ),
  );
  await storage.close();

  const reopened = await openForTest(directory);
  expect(await unsyncedIn(reopened)).toEqual([idOf(1), idOf(2), idOf(3)]);
  reopened.stopTrackingSyncState(idOf(3));
  await new Promise<void>((done) =>
    reopened.trackCoValuesSyncState(
      [
        { id: idOf(1), peerId: peer, synced: true },
        { id: idOf(2), peerId: peer, synced: true },
      ],
      done,
    ),
  );
  expect(await unsyncedIn(reopened)).toEqual([idOf(1)]);
});

test("one at a time reconciles with a peer, an interrupted run goes on where it was, a finished one is not due again", async () => {
  const directory = newDirectory();
  const storage = await openStorage(directory);
  const results = await Promise.all([acquire(storage, coSession(1)), acquire(storage, coSession(2))]);
  expect(results).toEqual([
    { acquired: true, lastProcessedOffset: 0 },
    { acquired: false, reason: "lock_held" },
  ]);
  storage.renewStorageReconciliationLock(coSession(2), peer, 7);
  storage.renewStorageReconciliationLock(coSession(1), peer, 200);
  await storage.close();

  const reopened = await openForTest(directory);
  expect(await acquire(reopened, coSession(1))).toEqual({ acquired: true, lastProcessedOffset: 200 });
  reopened.releaseStorageReconciliationLock(coSession(2), peer);
  expect(await acquire(reopened, coSession(2))).toEqual({ acquired: false, reason: "lock_held" });
  reopened.releaseStorageReconciliationLock(coSession(1), peer);
  expect(await acquire(reopened, coSession(2))).toEqual({ acquired: false, reason: "not_due" });
});
