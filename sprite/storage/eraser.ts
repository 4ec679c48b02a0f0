import type { RawCoID } from "cojson";
import type { Block } from "./block.ts";
import type { Committer } from "./committer.ts";
import { keys, prefixes } from "./format.ts";
import { readBlocks } from "./history.ts";
import type { Journal } from "./journal.ts";
import type { CoValueRow, StoredCoSession } from "./row.ts";
import type { RowStore } from "./row-store.ts";
import type { Staging } from "./staging.ts";
import { isDeleteCoSession } from "./store-request.ts";

/** A compaction rewrites the store, so it waits until a tenth of all that was ever written is garbage, or this much. */
const COMPACT_AFTER_BYTES = 64 * 1024 * 1024;

interface Garbage {
  readonly seq: number;
  readonly span: number;
  readonly bytes: number;
}

/**
 * Erases deleted CoValues: their history is replaced by a tombstone (header and delete coSessions), then the blocks are
 * cleared from the log. Both steps are safe to interrupt: the first is atomic, the second is a list on disk.
 */
export class Eraser {
  readonly #journal: Journal;
  readonly #rowStore: RowStore;
  readonly #committer: Committer;

  constructor(journal: Journal, rowStore: RowStore, committer: Committer) {
    this.#journal = journal;
    this.#rowStore = rowStore;
    this.#committer = committer;
  }

  /** CoValues that are deleted and not erased yet. */
  async pending(): Promise<RawCoID[]> {
    const ids: RawCoID[] = [];
    for await (const { key } of this.#journal.rows(prefixes.pendingDelete)) {
      ids.push(key.slice(prefixes.pendingDelete.length) as RawCoID);
    }
    return ids;
  }

  /** Erases one CoValue, if it is stored. Resolves when the tombstone is durable. */
  async erase(id: RawCoID): Promise<void> {
    const stage = async (staging: Staging) => {
      const row = await staging.row(id);
      if (row !== undefined) await this.#bury(staging, row);
      staging.delete(keys.pendingDelete(id));
    };
    await this.#committer.write(stage, { alone: true });
  }

  /** Whether there is anything left to erase or to clear. */
  async unfinished(): Promise<boolean> {
    for (const prefix of [prefixes.pendingDelete, prefixes.garbage]) {
      for await (const _ of this.#journal.rows(prefix)) return true;
    }
    return false;
  }

  /** Clears the blocks that nothing points to and, when that pays, gives their disk space back. */
  async sweep(): Promise<void> {
    const garbage: Garbage[] = [];
    for await (const { key, value } of this.#journal.rows(prefixes.garbage)) {
      const seq = Number(key.slice(prefixes.garbage.length));
      garbage.push({ seq, ...(JSON.parse(value.toString()) as Omit<Garbage, "seq">) });
    }
    if (garbage.length === 0) return;
    const before = await this.#journal.readRow(keys.cleared);
    const cleared = garbage.reduce((sum, { bytes }) => sum + bytes, Number(before?.toString() ?? 0));
    const compact = cleared > Math.min(COMPACT_AFTER_BYTES, this.#journal.bytes / 10);
    const stage = async (staging: Staging) => {
      for (const { start, end } of ranges(garbage)) await this.#journal.clear(start, end);
      for (const { seq } of garbage) staging.delete(keys.garbage(seq));
      staging.put(keys.cleared, compact ? 0 : cleared);
    };
    await this.#committer.write(stage, { alone: true });
    if (compact) await this.#journal.compact();
  }

  async #bury(staging: Staging, row: CoValueRow): Promise<void> {
    const pointers = await this.#rowStore.pointers(row);
    const coSessions = row.coSessions.filter(({ id }) => isDeleteCoSession(id));
    const kept = pointers.filter((pointer) =>
      pointer.ranges.some(({ coSession }) => isDeleteCoSession(row.coSessions[coSession]?.id ?? "")),
    );
    const [first, ...blocks] = await readBlocks(this.#journal, row.id, [row.header, ...kept]);
    const block: Block = {
      id: row.id,
      ordinal: row.ordinal,
      header: first?.header,
      tombstone: true,
      entries: coSessions.map((coSession) => joined(coSession, blocks)),
    };
    const uncut = coSessions.map((coSession) => ({ ...coSession, boundaries: 0 }));
    staging.bury(row, pointers, block, uncut);
  }
}

/** A coSession's parts as one: its last signature covers all of it. */
function joined(coSession: StoredCoSession, blocks: readonly Block[]): Block["entries"][number] {
  const parts = blocks.flatMap(({ entries }) => entries.filter((entry) => entry.coSession === coSession.id));
  const last = parts.at(-1);
  if (last === undefined) throw new Error(`The blocks of ${coSession.id} do not hold what their row says.`);
  return {
    coSession: coSession.id,
    after: 0,
    transactions: parts.flatMap(({ transactions }) => transactions),
    signature: last.signature,
    boundary: false,
  };
}

/** Neighbouring blocks as ranges: each clear rewrites a 4 KiB bitfield page. */
function ranges(garbage: readonly Garbage[]): { start: number; end: number }[] {
  const found: { start: number; end: number }[] = [];
  for (const { seq, span } of garbage) {
    const last = found.at(-1);
    if (last !== undefined && last.end === seq) last.end = seq + span;
    else found.push({ start: seq, end: seq + span });
  }
  return found;
}
