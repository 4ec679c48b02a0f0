import type { RawCoID } from "cojson";
import { LRUCache } from "lru-cache";
import { keys } from "./format.ts";
import type { Journal } from "./journal.ts";
import {
  type CoValueRow,
  decodePointerPage,
  decodeRowHead,
  type Pointer,
  type RowHead,
  rowWeight,
} from "./row.ts";

/** A row that cannot be read or is not what was written. */
export class DamagedRowError extends Error {
  override readonly name = "DamagedRowError";
}

interface Reading {
  readonly promise: Promise<CoValueRow | undefined>;
  /** Set when the row was committed anew while it was being read. */
  overtaken: boolean;
}

/** Committed rows: from memory when they were used lately, else from disk. */
export class RowStore {
  readonly #journal: Journal;
  readonly #cache: LRUCache<string, CoValueRow>;
  readonly #readings = new Map<string, Reading>();

  /** @param cacheBytes rough bytes of rows to keep in memory. */
  constructor(journal: Journal, cacheBytes: number) {
    this.#journal = journal;
    this.#cache = new LRUCache({ maxSize: cacheBytes, sizeCalculation: rowWeight });
  }

  /**
   * The row as last committed, `undefined` when there is none.
   * @throws DamagedRowError
   */
  get(id: string): CoValueRow | Promise<CoValueRow | undefined> {
    const cached = this.#cache.get(id);
    if (cached !== undefined) return cached;
    const running = this.#readings.get(id);
    if (running !== undefined) return running.promise;
    const reading: Reading = { promise: this.#read(id, () => reading.overtaken), overtaken: false };
    this.#readings.set(id, reading);
    return reading.promise;
  }

  /** The row's pointers from the first: the sealed pages and the tail. @throws DamagedRowError */
  async pointers(row: CoValueRow): Promise<Pointer[]> {
    if (row.sealedPointerPages === 0) return [...row.tail];
    const pages = Array.from({ length: row.sealedPointerPages }, (_, page) => keys.pointerPage(row.id, page));
    const sealed = await this.#readPages(row.id, pages);
    return [...guard(row.id, () => sealed.flatMap(decodePointerPage)), ...row.tail];
  }

  /** Takes over what was just committed; `undefined` = the row is gone. */
  committed(rows: ReadonlyMap<string, CoValueRow | undefined>): void {
    for (const [id, row] of rows) {
      const reading = this.#readings.get(id);
      if (reading !== undefined) reading.overtaken = true;
      if (row === undefined) this.#cache.delete(id);
      else this.#cache.set(id, row);
    }
  }

  async #read(id: string, overtaken: () => boolean): Promise<CoValueRow | undefined> {
    try {
      for (;;) {
        const row = await this.#readOnce(id as RawCoID);
        const newer = this.#cache.get(id);
        if (newer !== undefined) return newer;
        if (!overtaken()) {
          if (row !== undefined) this.#cache.set(id, row);
          return row;
        }
        // Overtaken and already evicted again: what was read may mix two states.
        const reading = this.#readings.get(id);
        if (reading !== undefined) reading.overtaken = false;
      }
    } finally {
      this.#readings.delete(id);
    }
  }

  async #readOnce(id: RawCoID): Promise<CoValueRow | undefined> {
    const [bytes = null] = await this.#journal.readRows([keys.covalue(id)]);
    if (bytes instanceof Error)
      throw new DamagedRowError(`the row of ${id} cannot be read`, { cause: bytes });
    if (bytes === null) return undefined;
    const head: RowHead = guard(id, () => decodeRowHead(id, bytes));
    const pages = Array.from({ length: head.sealedSessionPages }, (_, page) => keys.sessionPage(id, page));
    const full = pages.length === 0 ? [] : await this.#readPages(id, pages);
    return guard(id, () => head.complete(full));
  }

  async #readPages(id: string, pages: readonly string[]): Promise<Buffer[]> {
    const found = await this.#journal.readRows(pages);
    return found.map((page, index) => {
      if (Buffer.isBuffer(page)) return page;
      throw new DamagedRowError(`page ${index} of the row of ${id} is missing`, { cause: page });
    });
  }
}

function guard<T>(id: string, decode: () => T): T {
  try {
    return decode();
  } catch (error) {
    throw new DamagedRowError(`the row of ${id} is not readable as one`, { cause: error });
  }
}
