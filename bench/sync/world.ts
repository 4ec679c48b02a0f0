import type { RawCoMap, RawGroup } from "cojson";
import { type Client, startClient } from "../../test/support/client.ts";
import { type Guest, startGuest } from "../../test/support/guest.ts";
import type { Sample } from "../interleave.ts";
import { seenBy } from "../seen-by.ts";
import { percentile } from "../statistics.ts";

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
export class World {
  readonly name: string;
  readonly #syncUrl: string;
  readonly #sizes: SyncSizes;
  readonly #writer: Client;
  readonly #group: RawGroup;
  readonly #notes: readonly RawCoMap[];
  readonly #diary: RawCoMap;
  readonly #board: RawCoMap;
  #readers: readonly Guest[] = [];
  /** The readers' copies of the board. */
  #copies: readonly RawCoMap[] = [];
  #posted = 0;

  private constructor(name: string, syncUrl: string, sizes: SyncSizes, writer: Client) {
    this.name = name;
    this.#syncUrl = syncUrl;
    this.#sizes = sizes;
    this.#writer = writer;
    this.#group = writer.node.createGroup();
    this.#group.addMember("everyone", "reader");
    this.#notes = Array.from({ length: sizes.values }, () => this.#newNote());
    this.#diary = this.#newNote();
    this.#board = this.#newNote();
  }

  static async open(name: string, syncUrl: string, sizes: SyncSizes): Promise<World> {
    const world = new World(name, syncUrl, sizes, await startClient(syncUrl));
    await world.#writer.synced();
    world.#readers = await Promise.all(Array.from({ length: sizes.readers }, () => startGuest(syncUrl)));
    world.#copies = await Promise.all(world.#readers.map((reader) => reader.load(world.#board.id)));
    return world;
  }

  /** One writer, the next transaction when the last one is acknowledged. */
  async single(): Promise<Sample> {
    const times: number[] = [];
    for (let i = 0; i < this.#sizes.single; i++) {
      const { ms } = await timed(1, () => this.#write(this.#diary, i));
      times.push(ms);
    }
    return { p50: percentile(times, 0.5), p95: percentile(times, 0.95) };
  }

  /** One writer, until each reader has seen the transaction, and until the last has. */
  async fanOut(): Promise<Sample> {
    const each: number[] = [];
    const last: number[] = [];
    for (let i = 0; i < this.#sizes.fanOut; i++) {
      const next = ++this.#posted;
      const begun = performance.now();
      const times = this.#copies.map((copy) => seenBy(copy, next).then(() => performance.now() - begun));
      const acknowledged = this.#write(this.#board, next);
      const seen = await Promise.all(times);
      each.push(...seen);
      last.push(Math.max(...seen));
      await acknowledged;
    }
    return { p50: percentile(each, 0.5), p95: percentile(each, 0.95), last: percentile(last, 0.5) };
  }

  /** One writer, a transaction each turn of the event loop, until all are acknowledged. */
  async stream(): Promise<Sample> {
    const diary = await this.#newDiary();
    return timed(this.#sizes.stream, async () => {
      for (let i = 0; i < this.#sizes.stream; i++) {
        diary.set("n", i, "trusting");
        await new Promise(setImmediate);
      }
      await this.#acknowledged(diary);
    });
  }

  /** One writer, all transactions at once, until acknowledged. */
  async burst(): Promise<Sample> {
    const diary = await this.#newDiary();
    return timed(this.#sizes.burst, () => {
      for (let i = 0; i < this.#sizes.burst; i++) diary.set("n", i, "trusting");
      return this.#acknowledged(diary);
    });
  }

  /** New values in a group, until acknowledged. */
  create(): Promise<Sample> {
    return timed(this.#sizes.created, () => {
      const created = Array.from({ length: this.#sizes.created }, () => this.#newNote());
      return Promise.all(created.map((note) => this.#acknowledged(note)));
    });
  }

  /** All values of a group, by a client that has nothing. */
  async load(): Promise<Sample> {
    const guest = await startGuest(this.#syncUrl);
    const sample = await timed(1, () => Promise.all(this.#notes.map(({ id }) => guest.load(id))));
    await guest.close();
    return sample;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#readers, this.#writer].map((client) => client.close()));
  }

  #newNote(): RawCoMap {
    return this.#group.createMap({ title: "a note", n: 0 }, null, "trusting");
  }

  /** A value of its own for each round: a long history would make each transaction dearer than the one before. */
  async #newDiary(): Promise<RawCoMap> {
    const diary = this.#newNote();
    await this.#acknowledged(diary);
    return diary;
  }

  #write(note: RawCoMap, n: number): Promise<unknown> {
    note.set("n", n, "trusting");
    return this.#acknowledged(note);
  }

  #acknowledged({ id }: RawCoMap): Promise<unknown> {
    return this.#writer.node.syncManager.waitForSync(id);
  }
}

async function timed(count: number, work: () => Promise<unknown>): Promise<{ ms: number }> {
  const begun = performance.now();
  await work();
  return { ms: (performance.now() - begun) / count };
}
