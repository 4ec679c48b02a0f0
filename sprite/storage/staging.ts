import type { CojsonInternalTypes, RawCoID } from "cojson";
import { type Block, type BlockEntry, encodeBlock } from "./block.ts";
import { keys, MAX_BLOCK_BYTES, POINTERS_PER_PAGE, prefixes, SESSIONS_PER_PAGE } from "./format.ts";
import type { JournalChange } from "./journal.ts";
import {
  addPointer,
  type BlockPlace,
  type CoValueRow,
  encodePointerPage,
  encodeRowHead,
  encodeSessionPage,
  type Pointer,
  type PointerRange,
  type StoredCoSession,
  sealedPages,
} from "./row.ts";
import type { RowStore } from "./row-store.ts";
import { stageContent } from "./stage-content.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;

/**
 * Everything that one flush will write. Later changes in a batch see the earlier ones; nobody else sees any of it
 * until the flush has succeeded, and a failed flush just drops it.
 */
export class Staging {
  readonly #rowStore: RowStore;
  readonly #firstSeq: number;
  readonly #before = new Map<string, CoValueRow | undefined>();
  readonly #rows = new Map<string, CoValueRow | undefined>();
  readonly #blocks: Buffer[] = [];
  readonly #puts = new Map<string, Buffer>();
  readonly #deletes = new Set<string>();
  readonly #deletedPrefixes: string[] = [];
  #count: number;
  readonly #countBefore: number;

  /**
   * @param firstSeq sequence number that the next block of the log gets
   * @param count CoValues stored so far = the next ordinal
   */
  constructor(rowStore: RowStore, firstSeq: number, count: number) {
    this.#rowStore = rowStore;
    this.#firstSeq = firstSeq;
    this.#count = count;
    this.#countBefore = count;
  }

  /** CoValues stored once this is committed. */
  get count(): number {
    return this.#count;
  }

  /** Rows that this changes; `undefined` = removed. */
  get rows(): ReadonlyMap<string, CoValueRow | undefined> {
    return this.#rows;
  }

  /** The row of a CoValue that this batch looked at, as it will be once this is committed. */
  rowAfter(id: string): CoValueRow | undefined {
    return this.#rows.has(id) ? this.#rows.get(id) : this.#before.get(id);
  }

  /** The row as this batch leaves it. @throws DamagedRowError */
  async row(id: string): Promise<CoValueRow | undefined> {
    if (this.#rows.has(id)) return this.#rows.get(id);
    const row = await this.#rowStore.get(id);
    this.#before.set(id, row);
    return row;
  }

  /**
   * Adds what is new in `message`.
   * @returns `stored`, or what is missing: `header` or `gap` (what fits was staged all the same).
   */
  async content(message: NewContentMessage): Promise<"stored" | "header" | "gap"> {
    const row = await this.row(message.id);
    const staged = stageContent(row, message);
    if (staged.kind === "headerless") return "header";
    if (row === undefined) this.#create(message, staged.coSessions, staged.entries);
    else if (staged.entries.length > 0) this.#extend(row, staged.coSessions, staged.entries);
    return staged.behind ? "gap" : "stored";
  }

  /** Writes a row of another kind. */
  put(key: string, value: unknown): void {
    this.#deletes.delete(key);
    this.#puts.set(key, Buffer.from(JSON.stringify(value)));
  }

  delete(key: string): void {
    this.#puts.delete(key);
    this.#deletes.add(key);
  }

  /** Deletes all rows on disk under `prefix`, and those put earlier in this batch. */
  deletePrefix(prefix: string): void {
    for (const key of this.#puts.keys()) if (key.startsWith(prefix)) this.#puts.delete(key);
    this.#deletedPrefixes.push(prefix);
  }

  /**
   * Replaces a CoValue's whole history by one block.
   * @param pointers all that the row points to now; their blocks become garbage
   */
  bury(
    row: CoValueRow,
    pointers: readonly Pointer[],
    block: Block,
    coSessions: readonly StoredCoSession[],
  ): void {
    const header = this.#append(block);
    for (const { seq, span, bytes } of pointers) this.put(keys.garbage(seq), { span, bytes });
    this.rewrite({ ...row, header, coSessions, erased: block.tombstone }, [
      { ...header, ranges: rangesOf(block, coSessions) },
    ]);
  }

  /** Writes a row anew, whatever is on disk of it. */
  rewrite(row: Omit<CoValueRow, "sealedPointerPages" | "tail">, pointers: readonly Pointer[]): void {
    this.#deletePages(row.id);
    const sealedPointerPages = sealedPages(pointers.length, POINTERS_PER_PAGE);
    for (let page = 0; page < sealedPointerPages; page++) {
      const start = page * POINTERS_PER_PAGE;
      const sealed = encodePointerPage(pointers.slice(start, start + POINTERS_PER_PAGE));
      this.#puts.set(keys.pointerPage(row.id, page), sealed);
    }
    this.#before.set(row.id, undefined);
    const tail = pointers.slice(sealedPointerPages * POINTERS_PER_PAGE);
    this.#rows.set(row.id, { ...row, sealedPointerPages, tail });
    this.put(keys.ordinal(row.ordinal), row.id);
  }

  /** Forgets a CoValue of which nothing can be served. */
  remove(id: string): void {
    this.#deletePages(id);
    const ordinal = this.#before.get(id)?.ordinal;
    if (ordinal !== undefined) this.delete(keys.ordinal(ordinal));
    this.#rows.set(id, undefined);
  }

  /** All of it, for the journal. */
  change(): JournalChange {
    for (const [id, row] of this.#rows) this.#putRow(id, row);
    if (this.#count !== this.#countBefore) this.put(keys.count, this.#count);
    return {
      blocks: this.#blocks,
      puts: this.#puts,
      deletes: [...this.#deletes],
      deletedPrefixes: this.#deletedPrefixes,
    };
  }

  #create(
    message: NewContentMessage,
    coSessions: readonly StoredCoSession[],
    entries: readonly BlockEntry[],
  ): void {
    const ordinal = this.#count++;
    const block = { id: message.id, ordinal, header: message.header, tombstone: false, entries };
    const place = this.#append(block);
    this.put(keys.ordinal(ordinal), message.id);
    this.#rows.set(message.id, {
      id: message.id as RawCoID,
      ordinal,
      header: place,
      coSessions,
      sealedPointerPages: 0,
      tail: [{ ...place, ranges: rangesOf(block, coSessions) }],
      erased: false,
    });
  }

  #extend(row: CoValueRow, coSessions: readonly StoredCoSession[], entries: readonly BlockEntry[]): void {
    const block = { id: row.id, ordinal: row.ordinal, header: undefined, tombstone: false, entries };
    const { tail, sealed } = addPointer(row, { ...this.#append(block), ranges: rangesOf(block, coSessions) });
    if (sealed !== undefined) {
      this.#puts.set(keys.pointerPage(row.id, row.sealedPointerPages), encodePointerPage(sealed));
    }
    const sealedPointerPages = row.sealedPointerPages + (sealed === undefined ? 0 : 1);
    this.#rows.set(row.id, { ...row, coSessions, tail, sealedPointerPages });
  }

  #append(block: Block): BlockPlace {
    const bytes = encodeBlock(block);
    const seq = this.#firstSeq + this.#blocks.length;
    for (let start = 0; start < bytes.length; start += MAX_BLOCK_BYTES) {
      this.#blocks.push(bytes.subarray(start, start + MAX_BLOCK_BYTES));
    }
    return { seq, span: this.#firstSeq + this.#blocks.length - seq, bytes: bytes.length };
  }

  #deletePages(id: string): void {
    this.deletePrefix(prefixes.sessionPages(id));
    this.deletePrefix(prefixes.pointerPages(id));
  }

  #putRow(id: string, row: CoValueRow | undefined): void {
    if (row === undefined) {
      this.delete(keys.covalue(id));
      return;
    }
    this.#puts.set(keys.covalue(id), encodeRowHead(row));
    const before = this.#before.get(id);
    const pages = sealedPages(row.coSessions.length, SESSIONS_PER_PAGE);
    for (let page = 0; page < pages; page++) {
      if (!samePage(before, row, page))
        this.#puts.set(keys.sessionPage(id, page), encodeSessionPage(row, page));
    }
  }
}

/** Whether full page `page` of coSessions is on disk already as `row` has it. */
function samePage(before: CoValueRow | undefined, row: CoValueRow, page: number): boolean {
  if (before === undefined || page >= sealedPages(before.coSessions.length, SESSIONS_PER_PAGE)) return false;
  const start = page * SESSIONS_PER_PAGE;
  for (let i = start; i < start + SESSIONS_PER_PAGE; i++) {
    if (before.coSessions[i] !== row.coSessions[i]) return false;
  }
  return true;
}

function rangesOf(block: Block, coSessions: readonly StoredCoSession[]): PointerRange[] {
  return block.entries.map((entry) => ({
    coSession: coSessions.findLastIndex(({ id }) => id === entry.coSession),
    end: entry.after + entry.transactions.length,
    boundary: entry.boundary,
  }));
}
