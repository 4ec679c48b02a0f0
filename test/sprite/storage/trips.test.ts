import { expect, onTestFinished, test, vi } from "vitest";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { type Content, contentOf, idOf, loadAll, storeDone } from "./content.ts";
import { newDirectory } from "./open-for-test.ts";

/** Content written by an account: what a load looks for besides the CoValue. */
function authored(number: number, after: number, author = idOf(0)): Content {
  const message = contentOf({ id: idOf(number), coSession: 1, after, count: 1 });
  const [content] = Object.values(message.new);
  return { ...message, new: { [`${author}_session_z1`]: content } } as Content;
}

/** A storage, and the batches of reads and of writes that it sends to RocksDB's threads. */
async function counted(directory = newDirectory()) {
  const engine = await openEngine(directory);
  const storage = new SpriteStorage(engine);
  onTestFinished(() => storage.close().catch(() => undefined));
  const rocks: Record<"read" | "write", () => unknown> = Object.getPrototypeOf(
    engine.journal.store.storage.db,
  );
  const [read, write] = [vi.spyOn(rocks, "read"), vi.spyOn(rocks, "write")];
  onTestFinished(() => {
    read.mockRestore();
    write.mockRestore();
  });
  const during = async (task: () => Promise<unknown>) => {
    read.mockClear();
    write.mockClear();
    await task();
    // What is sent after the acknowledgement counts as well.
    await engine.journal.clear(0, 0);
    return { reads: read.mock.calls.length, writes: write.mock.calls.length };
  };
  return { storage, during };
}

test("a store makes one trip to RocksDB's threads, and one more when the CoValue's row is not in memory", async () => {
  const directory = newDirectory();
  const { storage, during } = await counted(directory);
  expect(await during(() => storeDone(storage, authored(1, 0)))).toEqual({ reads: 1, writes: 1 });
  expect(await during(() => storeDone(storage, authored(1, 1)))).toEqual({ reads: 0, writes: 1 });
  await storage.close();
  const again = await counted(directory);
  expect(await again.during(() => storeDone(again.storage, authored(1, 2)))).toEqual({ reads: 1, writes: 1 });
});

test("a load makes two trips, rows and blocks, and its author's row travels with its blocks", async () => {
  const directory = newDirectory();
  const first = await counted(directory);
  for (const number of [0, 1, 2]) await storeDone(first.storage, authored(number, 0));
  await storeDone(first.storage, authored(3, 0, idOf(999)));
  await first.storage.close();
  const { storage, during } = await counted(directory);
  // Row, blocks with the author's row, the author's blocks.
  expect(await during(() => loadAll(storage, idOf(1)))).toEqual({ reads: 3, writes: 0 });
  expect(await during(() => loadAll(storage, idOf(2)))).toEqual({ reads: 2, writes: 0 });
  storage.onCoValueUnmounted(idOf(2));
  expect(await during(() => loadAll(storage, idOf(2)))).toEqual({ reads: 1, writes: 0 });
  // An author that is not stored is not looked for twice.
  expect(await during(() => loadAll(storage, idOf(3)))).toEqual({ reads: 2, writes: 0 });
});
