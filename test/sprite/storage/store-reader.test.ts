import { expect, onTestFinished, test } from "vitest";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { StoreReader } from "../../../sprite/storage/store-reader.ts";
import { type Content, contentOf, idOf, storeDone } from "./content.ts";
import { newDirectory } from "./open-for-test.ts";

test("a reader goes on when the writer's compaction takes the files away under it", async () => {
  const directory = newDirectory();
  const engine = await openEngine(directory);
  const storage = new SpriteStorage(engine);
  onTestFinished(() => storage.close());
  for (let number = 0; number < 60; number++) {
    await storeDone(
      storage,
      contentOf({ id: idOf(number), coSession: 1, after: 0, count: 10, bytes: 9_000 }),
    );
    if (number % 10 === 9) await engine.journal.flushTables();
  }
  const deletion = contentOf({ id: idOf(59), coSession: 1, after: 0, count: 1, header: false });
  const [content] = Object.values(deletion.new);
  storage.markDeleteAsValid(idOf(59));
  await storeDone(storage, { ...deletion, new: { co_zauthor1_session_d1$: content } } as Content);

  const reader = await StoreReader.open(directory);
  const read = new Set<string>();
  for await (const message of reader.messages()) {
    read.add(message.id);
    if (read.size !== 1) continue;
    await storage.eraseAllDeletedCoValues();
    await engine.journal.compact();
  }
  expect(reader.damaged).toEqual([]);
  expect(read.size).toBe(60);
  await reader.close();
});
