import type { CojsonInternalTypes, RawCoID } from "cojson";
import { logger } from "cojson";
import type Hyperbee from "hyperbee";
import { CATALOG_CORE, isStorableId, keys } from "./format.ts";
import { DamagedHistoryError } from "./history.ts";
import type { Journal } from "./journal.ts";
import { readLog } from "./log-scan.ts";
import { knownStateOf } from "./row.ts";
import type { RowStore } from "./row-store.ts";

/** A CoValue's metadata in the catalog. */
export interface CatalogEntry {
  readonly id: RawCoID;
  readonly header: CojsonInternalTypes.CoValueHeader;
  /** Transactions stored, by coSession. */
  readonly sessions: Readonly<Record<string, number>>;
  /** Place in the order of creation here. */
  readonly ordinal: number;
  readonly erased: boolean;
}

/** Key of the number of log blocks that the catalog covers; it sorts before every CoValue's id. */
const POSITION_KEY = "!position";

/** Messages of the log in one checkpoint: it bounds memory and how long closing may wait. */
const MESSAGES_PER_CHECKPOINT = 512;
/** Milliseconds without a write after which the catalog catches up. */
const QUIET_MS = 1_000;
/** Blocks behind the log beyond which a store that is never quiet makes one checkpoint in each period of that length. */
const MAX_LAG_BLOCKS = 131_072;
/** The version up to which old blocks of the bee are cleared; it sorts before every CoValue's id, too. */
const CLEARED_KEY = "!cleared";
/** Old versions of an entry, on average, before they are cleared from the bee. */
const OLD_VERSIONS = 8;

/**
 * The metadata of all CoValues as a Hyperbee: ordered, readable by any Holepunch tool, replicable with the log.
 * Derived from the log, from which it catches up when there is nothing else to do; no store or load waits for it.
 */
export class Catalog {
  readonly #journal: Journal;
  readonly #rowStore: RowStore;
  #bee: Promise<Hyperbee> | undefined;
  #timer: NodeJS.Timeout | undefined;
  #lastWrite = 0;
  #running: Promise<void> | undefined;
  #closed = false;

  constructor(journal: Journal, rowStore: RowStore) {
    this.#journal = journal;
    this.#rowStore = rowStore;
  }

  /** Something was written; catch up some time later. */
  schedule(): void {
    this.#lastWrite = performance.now();
    this.#sleep();
  }

  /** Brings the catalog up to the end of the log. */
  async catchUp(): Promise<void> {
    await this.#running;
    while (!this.#closed && (await this.#checkpoint()));
  }

  /** Entries in order of id, up to the last checkpoint. */
  async *entries(): AsyncGenerator<CatalogEntry> {
    const bee = await this.#open();
    for await (const { value } of bee.createReadStream({ gt: POSITION_KEY })) yield value as CatalogEntry;
  }

  /** Blocks of the log that the catalog does not know yet. */
  async lag(): Promise<number> {
    return this.#journal.length - (await this.#position());
  }

  async close(): Promise<void> {
    this.#closed = true;
    clearTimeout(this.#timer);
    await this.#running;
  }

  #sleep(): void {
    if (this.#timer !== undefined || this.#closed) return;
    this.#timer = setTimeout(() => this.#wake(), QUIET_MS).unref();
  }

  #wake(): void {
    this.#timer = undefined;
    if (this.#closed) return;
    // One at a time; what is written meanwhile is seen by the running one, or after another quiet moment.
    if (this.#running !== undefined) {
      this.#sleep();
      return;
    }
    this.#running = this.#catchUpWhenQuiet()
      .catch((error: unknown) =>
        logger.warn("The catalog could not catch up; it will after the next write", { err: error }),
      )
      .finally(() => {
        this.#running = undefined;
      });
  }

  async #catchUpWhenQuiet(): Promise<void> {
    while (!this.#closed) {
      const quiet = performance.now() - this.#lastWrite >= QUIET_MS;
      if (!quiet) {
        this.#sleep();
        if ((await this.lag()) > MAX_LAG_BLOCKS) await this.#checkpoint();
        return;
      }
      if (!(await this.#checkpoint())) return;
    }
  }

  /** @returns whether there may be more to do. */
  async #checkpoint(): Promise<boolean> {
    const start = await this.#position();
    if (start >= this.#journal.length) return false;
    const bee = await this.#open();
    const touched = new Map<RawCoID, CatalogEntry["header"] | undefined>();
    let position = this.#journal.length;
    let messages = 0;
    for await (const { place, block } of readLog(this.#journal, start)) {
      if (!(block instanceof DamagedHistoryError)) {
        const id = block.id as RawCoID;
        touched.set(id, block.header ?? touched.get(id));
      }
      if (++messages < MESSAGES_PER_CHECKPOINT) continue;
      position = place.seq + place.span;
      break;
    }
    const batch = bee.batch();
    for (const [id, header] of touched) {
      const entry = await this.#entry(bee, id, header);
      if (entry === undefined) await batch.del(id);
      else await batch.put(id, entry);
    }
    await batch.put(POSITION_KEY, position);
    await batch.flush();
    await this.#clearOld(bee);
    return position < this.#journal.length;
  }

  async #entry(
    bee: Hyperbee,
    id: RawCoID,
    written: CatalogEntry["header"] | undefined,
  ): Promise<CatalogEntry | undefined> {
    const row = isStorableId(id) ? await this.#rowStore.get(id) : undefined;
    const header = written ?? ((await bee.get(id))?.value as CatalogEntry | undefined)?.header;
    if (row === undefined || header === undefined) return undefined;
    return { id, header, sessions: knownStateOf(row).sessions, ordinal: row.ordinal, erased: row.erased };
  }

  /** A Hyperbee keeps the blocks of all versions; without this, a busy CoValue would grow it without end. */
  async #clearOld(bee: Hyperbee): Promise<void> {
    const covalues = Number((await this.#journal.readRow(keys.count))?.toString() ?? 0);
    const old = bee.version - (await numberIn(bee, CLEARED_KEY));
    if (old < OLD_VERSIONS * covalues + MESSAGES_PER_CHECKPOINT) return;
    await bee.clearUnlinked();
    const batch = bee.batch();
    await batch.put(CLEARED_KEY, bee.version);
    await batch.flush();
  }

  async #position(): Promise<number> {
    return numberIn(await this.#open(), POSITION_KEY);
  }

  /** Opened late, and its code loaded late: a Sprite must be able to answer before it has time for this. */
  #open(): Promise<Hyperbee> {
    this.#bee ??= (async () => {
      const { default: HyperbeeOf } = await import("hyperbee");
      const core = this.#journal.store.get({ name: CATALOG_CORE });
      const bee = new HyperbeeOf(core, { keyEncoding: "utf-8", valueEncoding: "json" });
      await bee.ready();
      return bee;
    })();
    return this.#bee;
  }
}

async function numberIn(bee: Hyperbee, key: string): Promise<number> {
  const node = await bee.get(key);
  return typeof node?.value === "number" ? node.value : 0;
}
