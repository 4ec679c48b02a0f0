import type { CojsonInternalTypes, RawCoID, SessionID, StorageReconciliationAcquireResult } from "cojson";
import { SpriteSyncError } from "../../shared/errors.ts";
import { Catalog } from "./catalog.ts";
import { Committer, type CommitterLimits } from "./committer.ts";
import { Eraser } from "./eraser.ts";
import { FORMAT_VERSION, keys } from "./format.ts";
import { DamagedHistoryError, tryReadBlocks } from "./history.ts";
import { Journal, type JournalOptions } from "./journal.ts";
import { acquireLock, readLock, releaseLock, renewLock } from "./locks.ts";
import { Repairer } from "./repairer.ts";
import { RowStore } from "./row-store.ts";
import { SyncTracking } from "./sync-tracking.ts";

export interface EngineOptions extends JournalOptions, CommitterLimits {
  /** Rough bytes of CoValue rows kept in memory. */
  readonly rowCacheBytes: number;
}

/** What a CoValue is, without its content. */
export interface StoredHeader {
  readonly id: RawCoID;
  readonly header: CojsonInternalTypes.CoValueHeader;
}

/** One open store: everything that all users of it in this process share. */
export class Engine {
  readonly journal: Journal;
  readonly rowStore: RowStore;
  readonly committer: Committer;
  readonly eraser: Eraser;
  readonly repairer: Repairer;
  readonly catalog: Catalog;
  readonly syncTracking: SyncTracking;

  private constructor(journal: Journal, count: number, options: EngineOptions) {
    this.journal = journal;
    this.rowStore = new RowStore(journal, options.rowCacheBytes);
    this.catalog = new Catalog(journal, this.rowStore);
    this.committer = new Committer(journal, this.rowStore, count, options, () => this.catalog.schedule());
    this.eraser = new Eraser(journal, this.rowStore, this.committer);
    this.repairer = new Repairer(journal, this.rowStore, this.committer);
    this.syncTracking = new SyncTracking(journal, this.committer);
  }

  /** @throws SpriteSyncError when the store is locked, of a newer format, or cannot be opened. */
  static async open(directory: string, options: EngineOptions): Promise<Engine> {
    const journal = await Journal.open(directory, options);
    try {
      await checkFormat(journal, directory, options.readOnly === true);
      const count = await journal.readRow(keys.count);
      return new Engine(journal, count === null ? 0 : Number(count.toString()), options);
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  /** Ids in order of creation here, which never changes: `limit` of them after the first `offset`. */
  async ids(limit: number, offset: number): Promise<RawCoID[]> {
    const ids: RawCoID[] = [];
    // An unreadable row must not look like the end of the enumeration, so the next ones fill its place.
    for (let next = offset; ids.length < limit && next < this.committer.count; ) {
      const size = Math.min(limit - ids.length, this.committer.count - next);
      const ordinals = Array.from({ length: size }, (_, index) => keys.ordinal(next + index));
      for (const row of await this.journal.readRows(ordinals)) {
        if (Buffer.isBuffer(row)) ids.push(JSON.parse(row.toString()) as RawCoID);
      }
      next += size;
    }
    return ids;
  }

  /** Headers of the CoValues that {@link ids} names, in two trips to the disk; without those that are damaged or erased. */
  async headers(limit: number, offset: number): Promise<StoredHeader[]> {
    const ids = await this.ids(limit, offset);
    const rows = await Promise.all(
      ids.map(async (id) => Promise.resolve(this.rowStore.get(id)).catch(() => undefined)),
    );
    const found = rows.flatMap((row) => row ?? []);
    const blocks = await Promise.all(
      found.map(({ id, header }) =>
        tryReadBlocks(this.journal, id, [header]).then(([block]) => ({ id, block })),
      ),
    );
    return blocks.flatMap(({ id, block }) =>
      block && !(block instanceof DamagedHistoryError) && block.header ? { id, header: block.header } : [],
    );
  }

  async tryAcquireLock(sessionId: SessionID, peerId: string): Promise<StorageReconciliationAcquireResult> {
    let result: StorageReconciliationAcquireResult = { acquired: false, reason: "not_due" };
    const stage: Parameters<Committer["write"]>[0] = async (staging) => {
      const acquired = acquireLock(await readLock(this.journal, peerId), sessionId, Date.now());
      result = acquired.result;
      if (acquired.lock !== undefined) staging.put(keys.lock(peerId), acquired.lock);
    };
    await this.committer.write(stage, { alone: true });
    return result;
  }

  async renewLock(sessionId: SessionID, peerId: string, offset: number): Promise<void> {
    const stage: Parameters<Committer["write"]>[0] = async (staging) => {
      const lock = renewLock(await readLock(this.journal, peerId), sessionId, offset);
      if (lock !== undefined) staging.put(keys.lock(peerId), lock);
    };
    await this.committer.write(stage, { alone: true });
  }

  async releaseLock(sessionId: SessionID, peerId: string): Promise<void> {
    const stage: Parameters<Committer["write"]>[0] = async (staging) => {
      const lock = releaseLock(await readLock(this.journal, peerId), sessionId, Date.now());
      if (lock !== undefined) staging.put(keys.lock(peerId), lock);
    };
    await this.committer.write(stage, { alone: true });
  }

  /**
   * Writes what is queued, lets `readers` finish, then closes the files.
   * @throws SpriteSyncError when not everything could be written.
   */
  async close(readers?: Promise<unknown>): Promise<void> {
    try {
      await this.committer.close();
    } finally {
      await readers;
      await this.catalog.close();
      await this.journal.close();
    }
  }
}

interface FormatRow {
  readonly version: number;
}

/** Marks a new store with today's format, and refuses one that was written by a newer program. */
async function checkFormat(journal: Journal, directory: string, readOnly: boolean): Promise<void> {
  const bytes = await journal.readRow(keys.format);
  if (bytes === null && readOnly) {
    throw new SpriteSyncError("storage-failed", `There is no store in ${directory}.`);
  }
  if (bytes === null) {
    const format: FormatRow = { version: FORMAT_VERSION };
    const puts = new Map([[keys.format, Buffer.from(JSON.stringify(format))]]);
    await journal.commit({ blocks: [], puts, deletes: [], deletedPrefixes: [] });
    // In a table file the marks of the store outlive a lost write-ahead log.
    await journal.flushTables();
    return;
  }
  const { version } = JSON.parse(bytes.toString()) as FormatRow;
  if (version <= FORMAT_VERSION) return;
  const what = `The store in ${directory} has format ${version}; this program knows formats up to ${FORMAT_VERSION}. Start a newer version of it.`;
  throw new SpriteSyncError("storage-failed", what);
}
