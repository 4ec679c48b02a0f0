import type { RawCoMap } from "cojson";
import { type Client, startClient } from "../../test/support/client.ts";
import { type Guest, startGuest } from "../../test/support/guest.ts";
import type { Sample } from "../interleave.ts";
import { seenBy } from "../seen-by.ts";

/** A group with one value, somebody who writes to it, and others who have it open. */
export class Audience {
  readonly groupId: string;
  readonly #writer: Client;
  readonly #board: RawCoMap;
  readonly #readers: readonly Guest[];
  readonly #copies: readonly RawCoMap[];
  #posted = 0;

  private constructor(
    writer: Client,
    group: { id: string },
    board: RawCoMap,
    readers: readonly Guest[],
    copies: readonly RawCoMap[],
  ) {
    this.groupId = group.id;
    this.#writer = writer;
    this.#board = board;
    this.#readers = readers;
    this.#copies = copies;
  }

  static async open(syncUrl: string, readers: number): Promise<Audience> {
    const writer = await startClient(syncUrl);
    const group = writer.node.createGroup();
    group.addMember("everyone", "reader");
    const board = group.createMap({ n: 0 }, null, "trusting");
    await writer.synced();
    const guests = await Promise.all(Array.from({ length: readers }, () => startGuest(syncUrl)));
    const copies = await Promise.all(guests.map((guest) => guest.load(board.id)));
    return new Audience(writer, group, board, guests, copies);
  }

  /** From one write until each reader has it: milliseconds of the first and of the last one. Returns when it is stored. */
  async post(): Promise<Sample> {
    const next = ++this.#posted;
    const begun = performance.now();
    const seen = this.#copies.map((copy) => seenBy(copy, next).then(() => performance.now() - begun));
    this.#board.set("n", next, "trusting");
    const times = await Promise.all(seen);
    await this.#writer.node.syncManager.waitForSync(this.#board.id);
    return { first: Math.min(...times), last: Math.max(...times) };
  }

  /** How many of its clients' sockets the server closed. */
  get closures(): number {
    return [this.#writer, ...this.#readers].reduce((sum, { closures }) => sum + closures(), 0);
  }

  async close(): Promise<void> {
    await Promise.all([this.#writer, ...this.#readers].map((client) => client.close()));
  }
}
