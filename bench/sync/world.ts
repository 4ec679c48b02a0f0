import type { RawCoMap, RawGroup } from "cojson";
import { type Client, startClient } from "../../test/support/client.ts";
import type { Sample } from "../interleave.ts";
import { percentile } from "../statistics.ts";
import { type Guest, startGuest } from "./guest.ts";

/** How much is done in one round. */
export interface SyncSizes {
  readonly burst: number;
  readonly stream: number;
  readonly single: number;
  readonly fanOut: number;
  readonly readers: number;
  readonly created: number;
  readonly values: number;
}

/** A server with a writer, its readers and a group of many small values: everything that the measured work needs. */
export interface World {
  readonly name: string;
  /** One writer, all transactions at once, until acknowledged. */
  burst(): Promise<Sample>;
  /** One writer, a transaction each turn of the event loop, until all are acknowledged. */
  stream(): Promise<Sample>;
  /** One writer, the next transaction when the last one is acknowledged. */
  single(): Promise<Sample>;
  /** One writer, until each reader has seen the transaction, and until the last has. */
  fanOut(): Promise<Sample>;
  /** New values in a group, until acknowledged. */
  create(): Promise<Sample>;
  /** All values of a group, by a client that has nothing. */
  load(): Promise<Sample>;
  close(): Promise<void>;
}

export async function openWorld(name: string, syncUrl: string, sizes: SyncSizes): Promise<World> {
  const writer = await startClient(syncUrl);
  const group = writer.node.createGroup();
  group.addMember("everyone", "reader");
  const notes = Array.from({ length: sizes.values }, (_, n) => newNote(group, n));
  const diary = group.createMap({ n: 0 });
  const board = group.createMap({ n: 0 });
  await writer.synced();
  const readers = await Promise.all(Array.from({ length: sizes.readers }, () => startGuest(syncUrl)));
  const copies = await Promise.all(readers.map((reader) => reader.load(board.id)));
  const acknowledged = ({ id }: RawCoMap) => writer.node.syncManager.waitForSync(id);
  let n = 0;

  const timed = async (count: number, work: () => Promise<unknown>) => {
    const begun = performance.now();
    await work();
    return { ms: (performance.now() - begun) / count };
  };
  /** A value of its own for each round: a long history would make each transaction dearer than the one before. */
  const newDiary = async () => {
    const fresh = group.createMap({ n: 0 });
    await acknowledged(fresh);
    return fresh;
  };
  const writeOne = (value: number) => {
    diary.set("n", value, "trusting");
    return acknowledged(diary);
  };
  return {
    name,
    async burst() {
      const fresh = await newDiary();
      return timed(sizes.burst, () => {
        for (let i = 0; i < sizes.burst; i++) fresh.set("n", i, "trusting");
        return acknowledged(fresh);
      });
    },
    async stream() {
      const fresh = await newDiary();
      return timed(sizes.stream, async () => {
        for (let i = 0; i < sizes.stream; i++) {
          fresh.set("n", i, "trusting");
          await new Promise(setImmediate);
        }
        await acknowledged(fresh);
      });
    },
    async single() {
      const times: number[] = [];
      for (let i = 0; i < sizes.single; i++) {
        times.push((await timed(1, () => writeOne(i))).ms);
      }
      return { p50: percentile(times, 0.5), p95: percentile(times, 0.95) };
    },
    async fanOut() {
      const each: number[] = [];
      const last: number[] = [];
      for (let i = 0; i < sizes.fanOut; i++) {
        const begun = performance.now();
        const seen = copies.map((copy) =>
          seenBy(copy, n + 1).then(() => each.push(performance.now() - begun)),
        );
        board.set("n", ++n, "trusting");
        await Promise.all(seen);
        last.push(performance.now() - begun);
        await acknowledged(board);
      }
      return { p50: percentile(each, 0.5), p95: percentile(each, 0.95), last: percentile(last, 0.5) };
    },
    create: () =>
      timed(sizes.created, () => {
        const created = Array.from({ length: sizes.created }, (_, i) => newNote(group, i));
        return Promise.all(created.map(({ id }) => writer.node.syncManager.waitForSync(id)));
      }),
    async load() {
      const guest = await startGuest(syncUrl);
      const sample = await timed(1, () => Promise.all(notes.map(({ id }) => guest.load(id))));
      await guest.close();
      return sample;
    },
    close: () => closeAll([...readers, writer]),
  };
}

function newNote(group: RawGroup, n: number): RawCoMap {
  return group.createMap({ title: `note ${n}`, done: false }, null, "trusting");
}

/** Resolves once `copy` holds at least `n`. */
function seenBy(copy: RawCoMap, n: number): Promise<void> {
  return new Promise((resolve) => {
    const stop = copy.core.subscribe(() => {
      if (Number(copy.get("n")) < n) return;
      stop();
      resolve();
    }, false);
  });
}

async function closeAll(clients: readonly (Client | Guest)[]): Promise<void> {
  await Promise.all(clients.map((client) => client.close()));
}
