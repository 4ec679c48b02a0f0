import { SpriteSyncError } from "../../shared/errors.ts";
import { Engine } from "./engine.ts";
import type { Durability } from "./journal.ts";
import { SpriteStorage } from "./sprite-storage.ts";

export interface StorageOptions {
  /** What an acknowledgement survives; docs/storage.md says exactly what. Default `fsync`: a power cut, too. */
  durability?: Durability;
  /** Bytes of RocksDB's write buffer. Default 8 MiB: as fast as 64, and a crashed store opens within ~60 ms. */
  writeBufferBytes?: number;
  /** Rough bytes of CoValue metadata kept in memory. Default 16 MiB. */
  rowCacheBytes?: number;
  /** Bytes of content that may wait for the disk; beyond it content is asked for again from the LocalNode. Default 32 MiB. */
  queueBytes?: number;
  /**
   * Whether RocksDB keeps blocks of its tables in memory, 32 MiB at most, and their indexes and filters with them;
   * without, those of all open files. Default true.
   */
  blockCache?: boolean;
  /** Table and blob files that RocksDB holds open, each with some memory. Default -1: all of them. */
  maxOpenFiles?: number;
  /** Threads of RocksDB that write and merge tables. Default 6, as in rocksdb-native. */
  maxBackgroundJobs?: number;
}

const MIB = 1024 * 1024;

/**
 * Opens the store in `directory`, which is made when it is missing and must hold nothing else.
 * @throws SpriteSyncError `storage-failed` when it is in use, of a newer format, or not readable; `config-invalid`.
 */
export async function openStorage(directory: string, options: StorageOptions = {}): Promise<SpriteStorage> {
  return new SpriteStorage(await openEngine(directory, options));
}

/**
 * The part of a store that several users in one process may share.
 * @param options `readOnly` looks only, also while another process has the store open.
 */
export async function openEngine(
  directory: string,
  options: StorageOptions & { readOnly?: boolean } = {},
): Promise<Engine> {
  const {
    durability = "fsync",
    writeBufferBytes = 8 * MIB,
    rowCacheBytes = 16 * MIB,
    queueBytes = 32 * MIB,
    blockCache = true,
    maxOpenFiles = -1,
    maxBackgroundJobs = 6,
  } = options;
  if (durability !== "flush" && durability !== "fsync") {
    throw new SpriteSyncError(
      "config-invalid",
      `durability is "${String(durability)}": use "flush" or "fsync".`,
    );
  }
  return Engine.open(directory, {
    readOnly: options.readOnly ?? false,
    durability,
    writeBufferBytes,
    rocks: { blockCache, maxOpenFiles, maxBackgroundJobs },
    rowCacheBytes,
    queueBytes,
    batchRequests: 512,
    batchBytes: 4 * MIB,
    retryMs: 250,
    maxRetryMs: 5_000,
  });
}
