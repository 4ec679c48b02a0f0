/**
 * The store's layout on disk: every name, key and number that a file may hold. docs/storage.md describes it in prose.
 *
 * One Corestore holds two Hypercores: the *log* (content messages, the truth) and the *catalog* (a Hyperbee of CoValue
 * metadata, derived from the log and written lazily). Rows are "local keys" of the log core: plain keys of the same
 * RocksDB, committed in the same atomic write as the log's blocks.
 */

/** Version of this layout. Raise it with a numbered migration and a fixture of the old one. */
export const FORMAT_VERSION = 1;

export const LOG_CORE = "log";
export const CATALOG_CORE = "catalog";

/** Version byte of a log block, see block.ts. */
export const BLOCK_VERSION = 1;

/**
 * Bytes of one Hypercore block at most; larger messages span several. Hypercore itself refuses blocks over 15 MiB
 * (hypercore/index.js, MAX_SUGGESTED_BLOCK_SIZE).
 */
export const MAX_BLOCK_BYTES = 8 * 1024 * 1024;

/** Pointers in a row before they are sealed into a page of their own: it bounds what one store rewrites. */
export const POINTERS_PER_PAGE = 24;

/** coSessions on one page. Pages before the last one are rewritten only when one of their coSessions grows. */
export const SESSIONS_PER_PAGE = 8;

/** Bytes of an id or peer id in a key, which holds up to two: local keys end at 2048 bytes (hypercore-storage). */
const MAX_ID_BYTES = 400;

/** Whether `id` can be part of a key at all; what fails this was never stored. */
export function isStorableId(id: string): boolean {
  return id.length > 0 && Buffer.byteLength(id) <= MAX_ID_BYTES && id.isWellFormed() && !id.includes("\0");
}

/** Row keys. The first letter says what a row is; `\0` ends an id, so that no id is the prefix of another. */
export const keys = {
  format: "f",
  /** Number of CoValues ever created here = the next ordinal. */
  count: "n",
  covalue: (id: string) => `v${id}`,
  sessionPage: (id: string, page: number) => `s${id}\0${page}`,
  pointerPage: (id: string, page: number) => `p${id}\0${page}`,
  /** From ordinal to id: the stable order of enumeration. */
  ordinal: (ordinal: number) => `o${ordinal.toString().padStart(12, "0")}`,
  unsynced: (id: string, peerId: string) => `u${id}\0${peerId}`,
  lock: (peerId: string) => `l${peerId}`,
  pendingDelete: (id: string) => `d${id}`,
  /** Bytes cleared since the last compaction. */
  cleared: "c",
  /** First sequence number of a message in the log that nothing points to any more. */
  garbage: (seq: number) => `g${seq.toString().padStart(12, "0")}`,
  damage: (id: string) => `x${id}`,
} as const;

/** Prefixes for enumerating rows of one kind. */
export const prefixes = {
  covalue: "v",
  sessionPages: (id: string) => `s${id}\0`,
  pointerPages: (id: string) => `p${id}\0`,
  unsynced: "u",
  unsyncedOf: (id: string) => `u${id}\0`,
  pendingDelete: "d",
  garbage: "g",
  damage: "x",
} as const;

/** The id and peer id in a key made by {@link keys.unsynced}. */
export function parseUnsyncedKey(key: string): { id: string; peerId: string } {
  const end = key.indexOf("\0");
  return { id: key.slice(1, end), peerId: key.slice(end + 1) };
}
