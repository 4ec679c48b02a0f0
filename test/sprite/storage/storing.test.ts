import { emptyKnownState } from "cojson";
import { describe, expect, test } from "vitest";
import { openStorage } from "../../../sprite/storage/index.ts";
import {
  contentOf,
  coSessionOf,
  idOf,
  loadAll,
  loadKnownState,
  storeDone,
  transactionOf,
  transactionsIn,
} from "./content.ts";
import { newDirectory, openForTest } from "./open-for-test.ts";

const id = idOf(1);

describe("store", () => {
  test("is silent until the content is on disk, and the known state grows no earlier", async () => {
    const storage = await openForTest();
    const stored = storeDone(storage, contentOf({ id, coSession: 1, after: 0, count: 3 }));
    expect(storage.getKnownState(id)).toEqual(emptyKnownState(id));
    await stored;
    expect(storage.getKnownState(id)).toEqual({ id, header: true, sessions: { [coSessionOf(1)]: 3 } });
  });

  test("keeps everything across a reopening, in many coSessions and messages", async () => {
    const directory = newDirectory();
    const storage = await openStorage(directory);
    const stores: Promise<void>[] = [];
    for (let coSession = 0; coSession < 40; coSession++) {
      for (let message = 0; message < 5; message++) {
        const header = coSession === 0 && message === 0;
        stores.push(storeDone(storage, contentOf({ id, coSession, after: message * 2, count: 2, header })));
      }
    }
    await Promise.all(stores);
    const before = await loadAll(storage, id);
    await storage.close();

    const reopened = await openForTest(directory);
    const after = await loadAll(reopened, id);
    expect(after).toEqual(before);
    const transactions = transactionsIn(after ?? [], id);
    expect(Object.keys(transactions)).toHaveLength(40);
    for (let coSession = 0; coSession < 40; coSession++) {
      const expected = Array.from({ length: 10 }, (_, index) =>
        JSON.stringify(transactionOf(index, coSessionOf(coSession))),
      );
      expect(transactions[coSessionOf(coSession)]).toEqual(expected);
    }
  });

  test("stores only what is new of a message that overlaps, and acknowledges one that brings nothing", async () => {
    const storage = await openForTest();
    await storeDone(storage, contentOf({ id, coSession: 1, after: 0, count: 5 }));
    await storeDone(storage, contentOf({ id, coSession: 1, after: 3, count: 4 }));
    await storeDone(storage, contentOf({ id, coSession: 1, after: 0, count: 5 }));
    const transactions = transactionsIn((await loadAll(storage, id)) ?? [], id);
    expect(transactions[coSessionOf(1)]).toHaveLength(7);
  });

  test("asks for what is missing before it, stores that first, and is done once for both", async () => {
    const storage = await openForTest();
    await storeDone(storage, contentOf({ id, coSession: 1, after: 0, count: 2 }));
    const asked: unknown[] = [];
    await storeDone(storage, contentOf({ id, coSession: 1, after: 5, count: 1 }), (known) => {
      asked.push(known);
      return [contentOf({ id, coSession: 1, after: 2, count: 4, header: true })];
    });
    expect(asked).toEqual([{ id, header: true, sessions: { [coSessionOf(1)]: 2 } }]);
    expect((await loadKnownState(storage, id))?.sessions).toEqual({ [coSessionOf(1)]: 6 });
  });

  test("asks for all of a CoValue that it has no header of", async () => {
    const storage = await openForTest();
    const asked: unknown[] = [];
    await storeDone(storage, contentOf({ id, coSession: 1, after: 4, count: 1, header: false }), (known) => {
      asked.push(known);
      return [contentOf({ id, coSession: 1, after: 0, count: 5 })];
    });
    expect(asked).toEqual([emptyKnownState(id)]);
    expect((await loadKnownState(storage, id))?.sessions).toEqual({ [coSessionOf(1)]: 5 });
  });

  test("never says done when the missing part is not there, and goes on with others", async () => {
    const storage = await openForTest();
    let done = false;
    storage.store(
      contentOf({ id, coSession: 1, after: 4, count: 1, header: false }),
      () => undefined,
      () => {
        done = true;
      },
    );
    await storeDone(storage, contentOf({ id: idOf(2), coSession: 1, after: 0, count: 1 }));
    expect(done).toBe(false);
    expect(await loadAll(storage, id)).toBeUndefined();
  });

  test("keeps a message larger than one block of the log", async () => {
    const directory = newDirectory();
    const storage = await openStorage(directory);
    const huge = contentOf({ id, coSession: 1, after: 0, count: 2, bytes: 6 * 1024 * 1024 });
    await storeDone(storage, huge);
    await storage.close();
    const loaded = await loadAll(await openForTest(directory), id);
    expect(loaded?.[0]?.new).toEqual(huge.new);
  });

  test("finds content that is still being written", async () => {
    const storage = await openForTest();
    storage.store(contentOf({ id, coSession: 1, after: 0, count: 1 }), () => undefined);
    expect(await loadAll(storage, id)).toHaveLength(1);
  });

  test("writes what was handed over before close, and ignores what comes after", async () => {
    const directory = newDirectory();
    const storage = await openStorage(directory);
    for (let number = 0; number < 200; number++) {
      storage.store(contentOf({ id: idOf(number), coSession: 1, after: 0, count: 1 }), () => undefined);
    }
    const closing = storage.close();
    storage.store(contentOf({ id: idOf(999), coSession: 1, after: 0, count: 1 }), () => undefined);
    await closing;
    const reopened = await openForTest(directory);
    expect(await new Promise((resolve) => reopened.getCoValueCount(resolve))).toBe(200);
    expect(await loadAll(reopened, idOf(199))).toHaveLength(1);
    expect(await loadAll(reopened, idOf(999))).toBeUndefined();
  });

  test("asks the node again for content that it had no room to hold", async () => {
    const storage = await openForTest(newDirectory(), { queueBytes: 10_000 });
    const asked: string[] = [];
    const stores = Array.from({ length: 20 }, (_, number) => {
      const content = contentOf({ id: idOf(number), coSession: 1, after: 0, count: 1, bytes: 4_000 });
      return storeDone(storage, content, (known) => {
        asked.push(known.id);
        return [content];
      });
    });
    await Promise.all(stores);
    expect(asked.length).toBeGreaterThan(0);
    for (let number = 0; number < 20; number++) expect(await loadAll(storage, idOf(number))).toHaveLength(1);
  });
});

describe("load", () => {
  test("streams a large value in chunks that end at signatures, announced by the first", async () => {
    const storage = await openForTest();
    for (let after = 0; after < 300; after += 10) {
      await storeDone(
        storage,
        contentOf({ id, coSession: 1, after, count: 10, header: after === 0, bytes: 2_000 }),
      );
    }
    const messages = (await loadAll(storage, id)) ?? [];
    expect(messages.length).toBeGreaterThan(4);
    expect(messages[0]?.expectContentUntil).toEqual({ [coSessionOf(1)]: 300 });
    for (const message of messages) {
      const content = message.new[coSessionOf(1)];
      const end = (content?.after ?? 0) + (content?.newTransactions.length ?? 0);
      expect(content?.lastSignature).toBe(`signature_z${coSessionOf(1)}:${end}`);
    }
    expect(transactionsIn(messages, id)[coSessionOf(1)]).toHaveLength(300);
  });

  test("finds nothing under ids that nobody stored, however odd", async () => {
    const storage = await openForTest();
    for (const odd of ["", "co_z1", "\0", "co_z".repeat(1000), "../../etc"]) {
      expect(await loadAll(storage, odd)).toBeUndefined();
      expect(await loadKnownState(storage, odd)).toBeUndefined();
    }
  });
});
