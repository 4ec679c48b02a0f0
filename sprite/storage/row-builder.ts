import { cojsonInternals, type RawCoID, type SessionID } from "cojson";
import type { Block, BlockEntry } from "./block.ts";
import type { BlockPlace, CoValueRow, Pointer, PointerRange, StoredCoSession } from "./row.ts";

/**
 * A CoValue's row made from its blocks of the log, in log order: the log is the truth, and rows can be lost.
 * Blocks may be missing. What follows a gap in a coSession is left out, because no signature could be checked.
 */
export class RowBuilder {
  readonly #id: RawCoID;
  #ordinal = 0;
  #header: BlockPlace | undefined;
  #coSessions: StoredCoSession[] = [];
  #pointers: Pointer[] = [];
  #erased = false;

  /** @param row what is known already: then only blocks after those that it points to are added. */
  constructor(id: RawCoID, row?: CoValueRow) {
    this.#id = id;
    if (row === undefined) return;
    this.#ordinal = row.ordinal;
    this.#header = row.header;
    this.#coSessions = [...row.coSessions];
    this.#erased = row.erased;
  }

  /** Whether a header was found. */
  get hasHeader(): boolean {
    return this.#header !== undefined;
  }

  /** @returns whether the block has anything that the row lacked */
  add(place: BlockPlace, block: Block): boolean {
    if (block.tombstone) this.#forget();
    if (block.header !== undefined && this.#header === undefined) {
      this.#header = place;
      this.#ordinal = block.ordinal;
      this.#erased = block.tombstone;
    }
    const ranges = block.entries.flatMap((entry) => this.#extend(entry));
    const points = ranges.length > 0 || this.#header === place;
    if (points) this.#pointers.push({ ...place, ranges });
    return points;
  }

  /** The row and the pointers to the blocks that were added. `undefined` when the header is lost: then nothing of the CoValue can be served. */
  finish():
    | { row: Omit<CoValueRow, "sealedPointerPages" | "tail">; pointers: readonly Pointer[] }
    | undefined {
    if (this.#header === undefined) return undefined;
    const row = {
      id: this.#id,
      ordinal: this.#ordinal,
      header: this.#header,
      coSessions: this.#coSessions,
      erased: this.#erased,
    };
    return { row, pointers: this.#pointers };
  }

  #forget(): void {
    this.#header = undefined;
    this.#coSessions = [];
    this.#pointers = [];
  }

  #extend({ coSession, after, transactions, boundary }: BlockEntry): PointerRange[] {
    const found = this.#coSessions.findLastIndex(({ id }) => id === coSession);
    const index = found === -1 ? this.#coSessions.length : found;
    const stored = this.#coSessions[index] ?? empty(coSession);
    const end = after + transactions.length;
    // After a gap; or stored twice, which a repair leaves behind when the damage was not for good.
    if (after > stored.count || end <= stored.count) return [];
    const bytes = transactions
      .slice(stored.count - after)
      .reduce((sum, transaction) => sum + cojsonInternals.getTransactionSize(transaction), 0);
    this.#coSessions[index] = {
      id: coSession,
      count: end,
      bytesSinceBoundary: boundary ? 0 : stored.bytesSinceBoundary + bytes,
      boundaries: stored.boundaries + (boundary ? 1 : 0),
    };
    return [{ coSession: index, end, boundary }];
  }
}

function empty(id: SessionID): StoredCoSession {
  return { id, count: 0, bytesSinceBoundary: 0, boundaries: 0 };
}
