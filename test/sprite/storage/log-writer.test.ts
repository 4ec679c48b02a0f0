import { expect, onTestFinished, test } from "vitest";
import { Journal, type JournalChange } from "../../../sprite/storage/journal.ts";
import { newDirectory } from "./open-for-test.ts";

const BITS_PER_PAGE = 32_768;

async function open(directory: string): Promise<Journal> {
  const journal = await Journal.open(directory, { durability: "flush", writeBufferBytes: 8 * 1024 * 1024 });
  onTestFinished(() => journal.close().catch(() => undefined));
  return journal;
}

function changeOf(blocks: readonly string[], rows: Record<string, string> = {}): JournalChange {
  const puts = new Map(Object.entries(rows).map(([key, value]) => [key, Buffer.from(value)]));
  return { blocks: blocks.map((block) => Buffer.from(block)), puts, deletes: [], deletedPrefixes: [] };
}

async function textsOf(journal: Journal, seqs: readonly number[]): Promise<(string | undefined)[]> {
  const blocks = await journal.readBlocks(seqs);
  return blocks.map((block) => (Buffer.isBuffer(block) ? block.toString() : undefined));
}

/** The numbers of the blocks that Hypercore's bitfield, as read from disk, does not have. */
function holesIn({ log }: Journal): number[] {
  const holes: number[] = [];
  for (let seq = 0; seq < log.length; seq++) {
    const word = log.core.bitfield.getBitfield(seq)?.bitfield[(seq % BITS_PER_PAGE) >> 5] ?? 0;
    if (((word >>> (seq & 31)) & 1) === 0) holes.push(seq);
  }
  return holes;
}

test("what is on disk and Hypercore failed to take over is not overwritten by the next append", async () => {
  const directory = newDirectory();
  const journal = await open(directory);
  await journal.commit(changeOf(["first"]));
  const { storage } = journal.log.state;
  const read = storage.read;
  // Hypercore asks for a record between the write and its own memory.
  storage.read = () => {
    storage.read = read;
    throw new Error("the disk has a bad moment");
  };
  await journal.commit(changeOf(["second"], { row: "of the second" }));
  expect(storage.read).toBe(read);
  expect(journal.length).toBe(2);
  await journal.commit(changeOf([], { row: "newer" }));
  await journal.commit(changeOf(["third"]));
  for (const opened of [journal, undefined]) {
    if (opened === undefined) await journal.close();
    const looked = opened ?? (await open(directory));
    expect(await textsOf(looked, [0, 1, 2])).toEqual(["first", "second", "third"]);
    expect([looked.length, looked.log.length]).toEqual([3, 3]);
    expect((await looked.readRow("row"))?.toString()).toBe("newer");
    expect(holesIn(looked)).toEqual([]);
  }
});

test("Hypercore's bitfield and hints are on disk as after Hypercore's own appends, over page ends and clears", async () => {
  const directory = newDirectory();
  const journal = await open(directory);
  const total = BITS_PER_PAGE + 2_000;
  const blocks = Array.from({ length: 1_000 }, (_, index) => String(index));
  while (journal.length < total) {
    await journal.commit(changeOf(blocks));
    if (journal.length === 3_000) await journal.clear(100, 110);
  }
  await journal.clear(BITS_PER_PAGE - 1, BITS_PER_PAGE + 1);
  await journal.commit(changeOf(["last"]));
  const { length } = journal;
  await journal.close();
  const reopened = await open(directory);
  const cleared = [
    ...Array.from({ length: 10 }, (_, index) => 100 + index),
    BITS_PER_PAGE - 1,
    BITS_PER_PAGE,
  ];
  expect(reopened.log.length).toBe(length);
  expect(holesIn(reopened)).toEqual(cleared);
  expect(reopened.log.core.header.hints.contiguousLength).toBe(100);
});

test("the hint of how far the log is whole needs no write of its own", async () => {
  const directory = newDirectory();
  const journal = await open(directory);
  for (let n = 1; n <= 3; n++) await journal.commit(changeOf([`block ${n}`]));
  await journal.close();
  const readOnly = { durability: "flush", writeBufferBytes: 1024 * 1024, readOnly: true } as const;
  // Hypercore corrects the hint when it opens for writing, so only a reader sees what was written.
  const reader = await Journal.open(directory, readOnly);
  onTestFinished(() => reader.close());
  expect(reader.log.core.header.hints.contiguousLength).toBe(3);
});
