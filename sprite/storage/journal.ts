import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import Corestore from "corestore";
import Hypercore from "hypercore";
import type { CoreReads } from "hypercore-storage";
import HypercoreStorage from "hypercore-storage";
import { SpriteSyncError } from "../../shared/errors.ts";
import { LOG_CORE } from "./format.ts";
import { isEmptyChange, type JournalChange, prefixEnd, writeRows } from "./journal-change.ts";
import { LogWriter } from "./log-writer.ts";
import { WalBarrier } from "./wal-barrier.ts";

export type { JournalChange } from "./journal-change.ts";

/** What an acknowledged write survives: `flush` the death of the process, `fsync` the death of the machine too. */
export type Durability = "flush" | "fsync";

/** Bounds of RocksDB, each as `StorageOptions` describes it. */
export interface RocksBounds {
  blockCache?: boolean;
  maxOpenFiles?: number;
  maxBackgroundJobs?: number;
}

export interface JournalOptions {
  durability: Durability;
  /** Bytes of RocksDB's memtable: bounds memory, the live write-ahead log, and the time of opening after a crash. */
  writeBufferBytes: number;
  /** What of RocksDB is bounded beyond its own defaults. */
  rocks?: RocksBounds;
  /** Looks only, also while another process has the store open; `commit` then fails. */
  readOnly?: boolean;
}

/** How long reads are gathered for one trip; nanoseconds each. */
const GATHERING_MICROTASKS = 16;

/**
 * The disk: one append-only Hypercore and rows beside it, in one RocksDB. The only module that touches the Holepunch
 * libraries for the log. It has exactly one writer at a time, the committer: Hypercore lets a write outside the atom
 * be overwritten silently (facts/storage.md §1b).
 */
export class Journal {
  readonly store: Corestore;
  readonly log: Hypercore;
  readonly #barrier: WalBarrier | undefined;
  #barrierBroken = false;
  #reads: CoreReads | undefined;
  readonly #writer: LogWriter;

  private constructor(store: Corestore, log: Hypercore, barrier: WalBarrier | undefined) {
    this.store = store;
    this.log = log;
    this.#writer = new LogWriter(store, log);
    this.#barrier = barrier;
  }

  /** @throws SpriteSyncError `storage-failed` when the directory is locked, unreadable or damaged beyond opening. */
  static async open(directory: string, options: JournalOptions): Promise<Journal> {
    const database = join(directory, "db");
    let store: Corestore | undefined;
    try {
      const { readOnly = false } = options;
      if (!readOnly) mkdirSync(directory, { recursive: true });
      if (!readOnly) deleteOldInfoLogs(database);
      const storage = new HypercoreStorage(directory, {
        // The default pins the store to its inode and refuses to open after a restore or an early power cut.
        allowBackup: true,
        readOnly,
        writeBufferSize: options.writeBufferBytes,
        ...rocksOptions(options.rocks),
        // Erasing must free space in old blob files too, not only in the oldest quarter of them.
        blobGarbageCollectionAgeCutOff: 1,
        blobGarbageCollectionForceThreshold: 0.5,
      });
      store = new Corestore(storage, { readOnly });
      await store.ready();
      const log = store.get({ name: LOG_CORE });
      await log.ready();
      if (readOnly) return new Journal(store, log, undefined);
      await endRecovery(log);
      const barrier = options.durability === "fsync" ? new WalBarrier(database) : undefined;
      const journal = new Journal(store, log, barrier);
      // Reads the log's tree: one with nodes missing would take no writes, and must say so now.
      await journal.#writer.open();
      return journal;
    } catch (error) {
      // Gives the lock back; what cannot be opened may not close properly either.
      await store?.close().catch(() => undefined);
      throw openError(directory, error);
    }
  }

  /** Blocks in the log = the sequence number of the next one. */
  get length(): number {
    return this.#writer.length;
  }

  /** Bytes ever appended. */
  get bytes(): number {
    return this.log.byteLength;
  }

  /** Rows by key, in one trip to the disk thread. An unreadable row is an Error in its place. */
  async readRows(rowKeys: readonly string[]): Promise<(Buffer | null | Error)[]> {
    const reads = this.#nextReads();
    return Promise.all(rowKeys.map((key) => reads.getLocal(Buffer.from(key)).catch(asError)));
  }

  /** One row. @throws when it cannot be read. */
  async readRow(key: string): Promise<Buffer | null> {
    const [row] = await this.readRows([key]);
    if (row instanceof Error) throw row;
    return row ?? null;
  }

  /** Blocks by sequence number, in one trip. `null` = erased or never there; an unreadable block is an Error. */
  async readBlocks(seqs: readonly number[]): Promise<(Buffer | null | Error)[]> {
    const reads = this.#nextReads();
    return Promise.all(seqs.map((seq) => reads.getBlock(seq).catch(asError)));
  }

  /** Rows whose key starts with `prefix`, in key order, optionally only those after the key `after`. */
  async *rows(prefix: string, after?: string): AsyncGenerator<{ key: string; value: Buffer }> {
    const gte = after === undefined ? Buffer.from(prefix) : Buffer.from(`${after}\0`);
    const range = { gte, lt: prefixEnd(prefix) };
    for await (const { key, value } of this.log.state.storage.createLocalStream(range)) {
      yield { key: key.toString(), value };
    }
  }

  /**
   * Writes all of `change` or nothing of it, and resolves when it is durable.
   * @throws the file system's or RocksDB's error. The change is then not acknowledged, but may be there or not.
   */
  async commit(change: JournalChange): Promise<void> {
    // Rewritten after a failed barrier, a change may be there already and still need one that succeeds.
    if (isEmptyChange(change) && !this.#barrierBroken) return;
    if (change.blocks.length > 0) await this.#writer.append(change);
    else await this.#putRows(change);
    await this.#makeDurable();
  }

  /** Forgets the blocks `start` to `end - 1`. Only the committer's turn may call this: it writes outside the atom. */
  async clear(start: number, end: number): Promise<void> {
    await this.#writer.settle();
    await this.log.clear(start, end);
  }

  /**
   * Rewrites the tables so that cleared blocks give their space back, and leaves nothing for later: by default
   * `compactRange` skips what is compacted already and three quarters of the blob files, and RocksDB takes the rest when
   * it is idle, which closing the store interrupts.
   */
  async compact(): Promise<void> {
    await this.store.storage.db.flush();
    await this.store.storage.db.compactRange({
      blobGarbageCollectionPolicy: 1,
      blobGarbageCollectionAgeCutoff: 1,
      bottommostLevelCompaction: 2,
    });
  }

  /** What tells this store's log from every other one, except from that of a copy. */
  get key(): Buffer {
    return this.log.key;
  }

  /** A hash of the first `length` blocks, cleared ones too: it tells the logs of two copies apart. */
  treeHash(length: number): Promise<Buffer> {
    return Hypercore.treeHashFromStorage(this.log, length);
  }

  /** Puts everything written so far into table files, which RocksDB syncs. */
  async flushTables(): Promise<void> {
    await this.store.storage.db.flush();
  }

  async close(): Promise<void> {
    await this.#writer.close();
    await this.store.close();
    this.#barrier?.close();
  }

  /** Reads that are asked for together travel to the disk thread together: a trip costs more than a read. */
  #nextReads(): CoreReads {
    if (this.#reads !== undefined) return this.#reads;
    const reads = this.log.state.storage.read();
    this.#reads = reads;
    void this.#sendReads(reads);
    return reads;
  }

  async #sendReads(reads: CoreReads): Promise<void> {
    // Loads that the same trip answered ask again within a few microtasks of each other. Not `process.nextTick`:
    // rocksdb-native runs the microtasks after its callbacks, but no ticks.
    for (let hop = 0; hop < GATHERING_MICROTASKS; hop++) await undefined;
    this.#reads = undefined;
    try {
      reads.tryFlush();
    } catch {
      // Closed meanwhile: rejects what was asked.
      reads.destroy();
    }
  }

  async #putRows(change: JournalChange): Promise<void> {
    // An append that must be repeated would bring back older rows.
    await this.#writer.settle();
    await writeRows(this.log, change);
  }

  async #makeDurable(): Promise<void> {
    if (this.#barrier === undefined) return;
    // After a failed fdatasync the kernel may drop the dirty pages and report success the next time, so only a
    // table file written anew counts.
    if (this.#barrierBroken) await this.flushTables();
    this.#barrierBroken = true;
    await this.#barrier.sync();
    this.#barrierBroken = false;
  }
}

/** Every open leaves a `LOG.old.*` of ~45 KB and RocksDB keeps a thousand: 45 MB in a Sprite that sleeps often. */
function deleteOldInfoLogs(database: string): void {
  let names: string[];
  try {
    names = readdirSync(database);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return;
    throw error;
  }
  for (const name of names) {
    if (name.startsWith("LOG.old.")) rmSync(join(database, name), { force: true });
  }
}

function rocksOptions({ blockCache = true, ...others }: RocksBounds = {}) {
  // Without a cache to keep them in, RocksDB refuses to cache indexes and filters; it then holds those of open files.
  return { ...others, blockCache, tableCacheIndexAndFilterBlocks: blockCache };
}

/**
 * After RocksDB refused a write-ahead log, hypercore-storage marks every core "recovering", and appends then wait for
 * replication peers for ever (facts/storage.md §1c). There are none here; what is on disk is all there is.
 */
async function endRecovery(log: Hypercore): Promise<void> {
  if (!log.core.header.hints.recovering) return;
  log.core.header.hints.recovering = 0;
  log.core.hintsChanged = true;
  await log.core.flushHints();
}

function openError(directory: string, error: unknown): SpriteSyncError {
  const reason = error instanceof Error ? error.message : String(error);
  if (/\block\b/i.test(reason)) {
    const what = `The store in ${directory} is open in another process. Stop that process, or give this one a directory of its own.`;
    return new SpriteSyncError("storage-failed", what, { cause: error });
  }
  const what = `The store in ${directory} cannot be opened: ${reason}. If the disk is sound, restore the directory from a backup.`;
  return new SpriteSyncError("storage-failed", what, { cause: error });
}

function asError(error: unknown): Error {
  return error instanceof Error ? error : new Error(String(error));
}
