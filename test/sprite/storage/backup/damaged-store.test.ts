import { join } from "node:path";
import { expect, test } from "vitest";
import { backUp, restoreBackup } from "../../../../sprite/storage/backup/index.ts";
import { logMessages } from "../../../../sprite/storage/backup/log-messages.ts";
import type { BackupPlace } from "../../../../sprite/storage/backup/place.ts";
import type { Engine } from "../../../../sprite/storage/engine.ts";
import { idOf } from "../content.ts";
import { newDirectory } from "../open-for-test.ts";
import { directoryPlace } from "./places.ts";
import { soundState, wholeState } from "./whole-state.ts";
import { WrittenStore } from "./written-store.ts";

const SMALL = { segmentBytes: 2_000 };
const LARGE = 9 * 1024 * 1024;

/** A block that cannot be read, or one with a bit turned over. */
type Harm = "unreadable" | "flipped";

/** Lets reads of these blocks of the log fail from now on. @returns makes them good again */
function harmBlocks({ journal }: Engine, seqs: readonly number[], harm: Harm): () => void {
  const read = journal.readBlocks.bind(journal);
  journal.readBlocks = async (wanted) => {
    const blocks = await read(wanted);
    return blocks.map((block, index) => {
      if (!seqs.includes(wanted[index] ?? -1) || !Buffer.isBuffer(block)) return block;
      if (harm === "unreadable") return new Error("Input/output error");
      const flipped = Buffer.from(block);
      flipped.writeUInt8((flipped.at(-1) ?? 0) ^ 1, flipped.length - 1);
      return flipped;
    });
  };
  return () => {
    journal.readBlocks = read;
  };
}

async function restored(place: BackupPlace) {
  const directory = join(newDirectory(), "restored");
  const report = await restoreBackup(place, directory);
  return { report, state: await soundState(directory) };
}

for (const harm of ["unreadable", "flipped"] as const) {
  test(`a message that is ${harm} is counted, never restored, and in the backup once it can be read`, async () => {
    const place = await directoryPlace();
    const store = await WrittenStore.open();
    await store.addAll(30);
    await store.add(4, 2);
    await store.add(4, 2);
    await store.add(4, 2, { coSession: 6 });
    const whole = await wholeState(store.engine);
    // The second message of a coSession (its third is lost with it), and the header of another CoValue.
    const heal = harmBlocks(store.engine, [30, 12], harm);
    expect(await backUp(store.engine, place, SMALL)).toMatchObject({ damaged: 2, made: true });
    const { report, state } = await restored(place);
    expect(report.damaged).toBe(2);
    expect(state.values.map(({ id }) => id)).toEqual(
      whole.values.map(({ id }) => id).filter((id) => id !== idOf(12)),
    );
    const cut = state.values[4]?.coSessions;
    expect(cut).toEqual([expect.objectContaining({ count: 1 }), expect.objectContaining({ count: 2 })]);
    expect(state.values.filter(({ id }) => id !== idOf(4))).toEqual(
      whole.values.filter(({ id }) => id !== idOf(4) && id !== idOf(12)),
    );
    heal();
    expect(await backUp(store.engine, place, SMALL)).toMatchObject({ damaged: 0, made: true });
    expect((await restored(place)).state).toEqual(whole);
    expect(await backUp(store.engine, place, SMALL)).toMatchObject({ made: false });
  });
}

test("what the place has of a store is not replaced by what damage has left of it", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(30);
  await backUp(store.engine, place);
  await store.addAll(3);
  // Small segments are written anew with what follows them; this one could not be.
  harmBlocks(store.engine, [5], "unreadable");
  const report = await backUp(store.engine, place);
  expect(report).toMatchObject({ damaged: 0, made: true });
  const { state } = await restored(place);
  expect(state.values).toHaveLength(30);
  expect(state.values[5]).toMatchObject({ id: idOf(5), coSessions: [expect.objectContaining({ count: 1 })] });
  expect(state.values[1]).toMatchObject({ id: idOf(1), coSessions: [expect.objectContaining({ count: 2 })] });
});

test("nothing is pruned while the store is damaged", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.addAll(10);
  const at = (day: number) =>
    backUp(store.engine, place, { full: true, keepDays: 1, now: () => new Date(Date.UTC(2026, 0, 1 + day)) });
  await at(0);
  const heal = harmBlocks(store.engine, [5], "flipped");
  expect(await at(9)).toMatchObject({ damaged: 1, pruned: { generations: 0 } });
  heal();
  expect(await at(10)).toMatchObject({ damaged: 0, pruned: { generations: 1 } });
});

test("a message of several blocks is backed up whole, and losing a part of it costs no other message", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  await store.add(1);
  await store.add(2, 1, { bytes: LARGE });
  await store.add(3);
  await store.add(4);
  const whole = await wholeState(store.engine);
  const { journal } = store.engine;
  expect(journal.length).toBe(5);
  await backUp(store.engine, place);
  expect((await restored(place)).state).toEqual(whole);
  for (const lost of [1, 2]) {
    const heal = harmBlocks(store.engine, [lost], "unreadable");
    const sound: number[] = [];
    for await (const { kind, seq } of logMessages(journal, 0, () => journal.length)) {
      if (kind === "message") sound.push(seq);
    }
    expect(sound).toEqual([0, 3, 4]);
    heal();
  }
});

test("memory stays bounded: a restore or a backup never holds more than a few objects", async () => {
  const place = await directoryPlace();
  const store = await WrittenStore.open();
  for (let round = 0; round < 30; round++) await store.add(round, 8, { bytes: 500_000 });
  let largest = 0;
  const measure = () => {
    largest = Math.max(largest, process.memoryUsage().arrayBuffers);
  };
  measure();
  const before = process.memoryUsage().arrayBuffers;
  const { bytesWritten } = await backUp(store.engine, place, { onProgress: measure });
  await restoreBackup(place, newDirectory(), { onProgress: measure });
  expect(bytesWritten).toBeGreaterThan(0);
  // Buffers wait for the collector, so this is far above what is in use, and far below the 120 MB of the store.
  expect(largest - before).toBeLessThan(110_000_000);
});
