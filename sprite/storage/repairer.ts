import type { RawCoID } from "cojson";
import type { Committer } from "./committer.ts";
import { keys } from "./format.ts";
import { DamagedHistoryError, tryReadBlocks } from "./history.ts";
import type { Journal } from "./journal.ts";
import { readLog } from "./log-scan.ts";
import type { Pointer } from "./row.ts";
import { RowBuilder } from "./row-builder.ts";
import { DamagedRowError, type RowStore } from "./row-store.ts";
import type { Staging } from "./staging.ts";

/** What the store remembers about a CoValue that it found damaged. */
export interface DamageRecord {
  readonly id: RawCoID;
  /** ISO 8601. */
  readonly at: string;
  readonly reason: string;
  /** Messages of the log that could not be read. */
  readonly lostBlocks: number;
}

const BLOCKS_PER_READ = 256;

/**
 * Cuts a damaged CoValue back to what is sound: each coSession up to its first lost transaction. Its known state then
 * says so, and clients that have the rest send it again by cojson's ordinary correction.
 */
export class Repairer {
  readonly #journal: Journal;
  readonly #rowStore: RowStore;
  readonly #committer: Committer;
  readonly #running = new Map<string, Promise<void>>();

  constructor(journal: Journal, rowStore: RowStore, committer: Committer) {
    this.#journal = journal;
    this.#rowStore = rowStore;
    this.#committer = committer;
  }

  /** Resolves when the repaired row, or its absence, is durable; rejects when the disk does not take it. */
  repair(id: RawCoID, reason: Error): Promise<void> {
    let running = this.#running.get(id);
    if (running === undefined) {
      const stage = (staging: Staging) => this.#stage(staging, id, reason);
      running = this.#committer
        .write(stage, { alone: true, optional: true })
        .finally(() => this.#running.delete(id));
      this.#running.set(id, running);
    }
    return running;
  }

  async damages(): Promise<DamageRecord[]> {
    const records: DamageRecord[] = [];
    for await (const { value } of this.#journal.rows(keys.damage(""))) {
      records.push(JSON.parse(value.toString()) as DamageRecord);
    }
    return records;
  }

  async #stage(staging: Staging, id: RawCoID, reason: Error): Promise<void> {
    const builder = new RowBuilder(id);
    const pointers = await this.#pointers(staging, id);
    const lostBlocks =
      pointers === undefined ? await this.#replayLog(id, builder) : await this.#replay(id, pointers, builder);
    // Everything could be read this time: the error was a passing one, and cutting would lose what is there.
    if (pointers !== undefined && lostBlocks === 0) return;
    const built = builder.finish();
    if (built === undefined) staging.remove(id);
    else staging.rewrite(built.row, built.pointers);
    const record: DamageRecord = { id, at: new Date().toISOString(), reason: reason.message, lostBlocks };
    staging.put(keys.damage(id), record);
  }

  /** What the row points to, or `undefined` when the row itself is lost. */
  async #pointers(staging: Staging, id: RawCoID): Promise<Pointer[] | undefined> {
    try {
      const row = await staging.row(id);
      return row === undefined ? undefined : await this.#rowStore.pointers(row);
    } catch (error) {
      if (error instanceof DamagedRowError) return undefined;
      throw error;
    }
  }

  async #replay(id: RawCoID, pointers: readonly Pointer[], builder: RowBuilder): Promise<number> {
    let lost = 0;
    for (let start = 0; start < pointers.length; start += BLOCKS_PER_READ) {
      const some = pointers.slice(start, start + BLOCKS_PER_READ);
      const blocks = await tryReadBlocks(this.#journal, id, some);
      blocks.forEach((block, index) => {
        const place = some[index];
        if (place === undefined || block instanceof DamagedHistoryError) lost++;
        else builder.add(place, block);
      });
    }
    return lost;
  }

  /** Reads the whole log: slow, and only for a row that is lost. */
  async #replayLog(id: RawCoID, builder: RowBuilder): Promise<number> {
    let lost = 0;
    for await (const { place, block } of readLog(this.#journal)) {
      if (block instanceof DamagedHistoryError) lost++;
      else if (block.id === id) builder.add(place, block);
    }
    return lost;
  }
}
