import type { RawCoID } from "cojson";
import type { Block } from "../block.ts";
import type { Engine } from "../engine.ts";
import { isStorableId, keys, MAX_BLOCK_BYTES, prefixes, SESSIONS_PER_PAGE } from "../format.ts";
import type { JournalChange } from "../journal.ts";
import {
  addPointer,
  type BlockPlace,
  type CoValueRow,
  encodePointerPage,
  encodeRowHead,
  encodeSessionPage,
  type Pointer,
  sealedPages,
} from "../row.ts";
import { RowBuilder } from "../row-builder.ts";
import { isDeleteCoSession } from "../store-request.ts";
import type { StoreState } from "./backup-record.ts";

/** What one write holds at most: it bounds memory, and a store's own flushes are not larger. */
const BATCH_BYTES = 4 * 1024 * 1024;
const BATCH_MESSAGES = 512;

/** A CoValue that the current batch changes. */
interface Touched {
  /** As it was before the batch; absent when it is new, or when its tombstone is in the batch. */
  readonly row: CoValueRow | undefined;
  readonly builder: RowBuilder;
}

/**
 * Writes the messages of another store's log into an empty store, as they are, each in the place that comes next.
 * Rows follow from them by the same rule as when a row is rebuilt. Invariants:
 * 1. The store's committer writes nothing meanwhile.
 * 2. A message that adds nothing to its CoValue (after a gap, without a header, stored twice) is left out, so that the
 *    log has nothing but what a row points to and what a tombstone has made garbage.
 * 3. Log and rows of a batch are one atomic write.
 */
export class Replay {
  readonly #engine: Engine;
  readonly #touched = new Map<string, Touched>();
  readonly #blocks: Buffer[] = [];
  readonly #puts = new Map<string, Buffer>();
  readonly #deletedPrefixes: string[] = [];
  #bytes = 0;
  #batchMessages = 0;
  #ordinals = 0;
  /** Messages in the log now, without garbage. */
  messages = 0;
  /** CoValues that have a row now. */
  covalues = 0;
  /** Messages that a tombstone has replaced. */
  garbage = 0;
  /** Messages left out. */
  skipped = 0;

  constructor(engine: Engine) {
    this.#engine = engine;
  }

  /** @param bytes of the encoded `block` */
  async add(block: Block, bytes: Buffer): Promise<void> {
    const headless = block.tombstone && block.header === undefined;
    if (headless || !isStorableId(block.id)) return this.#skip();
    const touched = block.tombstone ? await this.#bury(block.id) : await this.#touch(block.id);
    const isNew = !touched.builder.hasHeader;
    if (isNew && block.header === undefined) return this.#skip();
    const place = this.#nextPlace(bytes);
    if (!touched.builder.add(place, block)) return this.#skip();
    this.#append(bytes);
    this.messages++;
    if (isNew) this.covalues++;
    this.#ordinals = Math.max(this.#ordinals, block.ordinal + 1);
    if (this.#bytes >= BATCH_BYTES || ++this.#batchMessages >= BATCH_MESSAGES) await this.flush();
  }

  /** Writes what the log does not say; the last thing. */
  async finish(state: StoreState): Promise<void> {
    await this.flush();
    for (const id of state.pendingDeletions) {
      if (await this.#isErasable(id)) this.#put(keys.pendingDelete(id), 0);
    }
    for (const [id, peerId] of state.unsynced) {
      if (isStorableId(peerId) && (await this.#row(id)) !== undefined)
        this.#put(keys.unsynced(id, peerId), 1);
    }
    for (const damage of state.damages)
      if (isStorableId(damage.id)) this.#put(keys.damage(damage.id), damage);
    this.#put(keys.count, this.#ordinals);
    await this.flush();
  }

  async flush(): Promise<void> {
    const rows = new Map<string, CoValueRow>();
    for (const [id, { row, builder }] of this.#touched) {
      const next = this.#putRow(id, row, builder);
      if (next !== undefined) rows.set(id, next);
    }
    const change: JournalChange = {
      blocks: [...this.#blocks],
      puts: new Map(this.#puts),
      deletes: [],
      deletedPrefixes: [...this.#deletedPrefixes],
    };
    await this.#engine.journal.commit(change);
    this.#engine.rowStore.committed(rows);
    this.#touched.clear();
    this.#puts.clear();
    this.#blocks.length = this.#deletedPrefixes.length = this.#bytes = this.#batchMessages = 0;
  }

  #skip(): void {
    this.skipped++;
  }

  async #touch(id: string): Promise<Touched> {
    const known = this.#touched.get(id);
    if (known !== undefined) return known;
    const row = await this.#row(id);
    const touched = { row, builder: new RowBuilder(id as RawCoID, row) };
    this.#touched.set(id, touched);
    return touched;
  }

  /** What the CoValue has becomes garbage, and its row begins anew. */
  async #bury(id: string): Promise<Touched> {
    const { row, builder } = await this.#touch(id);
    const replaced = row === undefined ? [] : await this.#engine.rowStore.pointers(row);
    const pointers: Pointer[] = [...replaced, ...(builder.finish()?.pointers ?? [])];
    for (const { seq, span, bytes } of pointers) this.#put(keys.garbage(seq), { span, bytes });
    this.garbage += pointers.length;
    this.messages -= pointers.length;
    if (builder.hasHeader) this.covalues--;
    this.#deletedPrefixes.push(prefixes.sessionPages(id), prefixes.pointerPages(id));
    const touched = { row: undefined, builder: new RowBuilder(id as RawCoID) };
    this.#touched.set(id, touched);
    return touched;
  }

  #putRow(id: string, before: CoValueRow | undefined, builder: RowBuilder): CoValueRow | undefined {
    const built = builder.finish();
    if (built === undefined) return undefined;
    let row: CoValueRow = {
      ...built.row,
      sealedPointerPages: before?.sealedPointerPages ?? 0,
      tail: before?.tail ?? [],
    };
    for (const pointer of built.pointers) {
      const { tail, sealed } = addPointer(row, pointer);
      const { sealedPointerPages: page } = row;
      if (sealed !== undefined) this.#puts.set(keys.pointerPage(id, page), encodePointerPage(sealed));
      row = { ...row, tail, sealedPointerPages: sealed === undefined ? page : page + 1 };
    }
    this.#putSessionPages(row, before);
    this.#puts.set(keys.covalue(id), encodeRowHead(row));
    if (before === undefined) this.#put(keys.ordinal(row.ordinal), id);
    return row;
  }

  /** Full pages that are new, or in which a coSession has grown. */
  #putSessionPages(row: CoValueRow, before: CoValueRow | undefined): void {
    const written = sealedPages(before?.coSessions.length ?? 0, SESSIONS_PER_PAGE);
    const pages = sealedPages(row.coSessions.length, SESSIONS_PER_PAGE);
    for (let page = 0; page < pages; page++) {
      const start = page * SESSIONS_PER_PAGE;
      const some = row.coSessions.slice(start, start + SESSIONS_PER_PAGE);
      const same =
        page < written && some.every((coSession, index) => coSession === before?.coSessions[start + index]);
      if (!same) this.#puts.set(keys.sessionPage(row.id, page), encodeSessionPage(row, page));
    }
  }

  #nextPlace({ length: bytes }: Buffer): BlockPlace {
    const seq = this.#engine.journal.length + this.#blocks.length;
    return { seq, span: Math.ceil(bytes / MAX_BLOCK_BYTES), bytes };
  }

  #append(bytes: Buffer): void {
    for (let start = 0; start < bytes.length; start += MAX_BLOCK_BYTES) {
      this.#blocks.push(bytes.subarray(start, start + MAX_BLOCK_BYTES));
    }
    this.#bytes += bytes.length;
  }

  /** A deletion that is not in the log yet is none: to erase the CoValue then would lose it. */
  async #isErasable(id: string): Promise<boolean> {
    const row = await this.#row(id);
    return (
      row !== undefined && !row.erased && row.coSessions.some((coSession) => isDeleteCoSession(coSession.id))
    );
  }

  async #row(id: string): Promise<CoValueRow | undefined> {
    return isStorableId(id) ? this.#engine.rowStore.get(id) : undefined;
  }

  #put(key: string, value: unknown): void {
    this.#puts.set(key, Buffer.from(JSON.stringify(value)));
  }
}
