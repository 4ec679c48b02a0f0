import type { SessionID } from "cojson";
import { expect, test } from "vitest";
import { compactStore } from "../../../sprite/storage/compact.ts";
import { openStorage, type SpriteStorage } from "../../../sprite/storage/index.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { contentOf, coSessionOf, idOf, loadAll, storeDone, transactionsIn } from "./content.ts";
import { newDirectory, openForTest } from "./open-for-test.ts";

const DELETE_CO_SESSION = "co_zauthor1_session_d1$" as SessionID;

/** Two CoValues of 2 MB; the first is deleted and not erased. */
async function storeWithDeleted(): Promise<string> {
  const directory = newDirectory();
  const storage = await openStorage(directory);
  for (const number of [1, 2]) {
    for (let after = 0; after < 200; after += 10) {
      await storeDone(
        storage,
        contentOf({ id: idOf(number), coSession: 1, after, count: 10, bytes: 10_000 }),
      );
    }
  }
  await storeDeletion(storage, 1);
  await storage.close();
  return directory;
}

function storeDeletion(storage: SpriteStorage, number: number): Promise<void> {
  const deletion = contentOf({ id: idOf(number), coSession: 1, after: 0, count: 1, header: false });
  const [content] = Object.values(deletion.new);
  if (content === undefined) throw new Error("no content");
  storage.markDeleteAsValid(idOf(number));
  return storeDone(storage, { ...deletion, new: { [DELETE_CO_SESSION]: content } });
}

test("compacting erases what waits for it, gives its disk space back, and leaves the others whole", async () => {
  const directory = await storeWithDeleted();
  const report = await compactStore(directory);
  expect(report).toMatchObject({ erased: 1, damaged: [] });
  expect(report.bytesAfter).toBeLessThan(report.bytesBefore - 1_900_000);

  const storage = await openForTest(directory);
  const tombstone = transactionsIn((await loadAll(storage, idOf(1))) ?? [], idOf(1));
  expect(Object.keys(tombstone)).toEqual([DELETE_CO_SESSION]);
  const other = transactionsIn((await loadAll(storage, idOf(2))) ?? [], idOf(2));
  expect(other[coSessionOf(1)]).toHaveLength(200);
});

test("compacting frees what an erasure left because it was too little to pay for it", async () => {
  const directory = newDirectory();
  const storage = await openStorage(directory);
  for (let number = 0; number < 40; number++) {
    await storeDone(
      storage,
      contentOf({ id: idOf(number), coSession: 1, after: 0, count: 10, bytes: 10_000 }),
    );
  }
  await storeDeletion(storage, 1);
  await storage.eraseAllDeletedCoValues();
  await storage.close();
  const report = await compactStore(directory);
  expect(report.erased).toBe(0);
  expect(report.bytesAfter).toBeLessThan(report.bytesBefore - 90_000);
  const again = await compactStore(directory);
  expect(again.bytesBefore - again.bytesAfter).toBeLessThan(90_000);
});

test("compacting refuses a store that is open, and makes none where there is none", async () => {
  const directory = await storeWithDeleted();
  const storage = await openForTest(directory);
  await expect(compactStore(directory)).rejects.toThrow(/open in another process. Stop that process/);
  await storage.close();
  const engine = await openEngine(directory, { readOnly: true });
  expect(await engine.eraser.pending()).toEqual([idOf(1)]);
  await engine.close();
  await expect(compactStore(newDirectory())).rejects.toThrow();
});
