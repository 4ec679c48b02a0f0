import type { SessionID, StorageReconciliationAcquireResult } from "cojson";
import { cojsonInternals } from "cojson";
import { keys } from "./format.ts";
import type { Journal } from "./journal.ts";

/** Who reconciles the whole store with a peer, and how far that is (cojson's `storageReconciliationLocks`). */
export interface LockRow {
  readonly holder: SessionID;
  /** Milliseconds since 1970, like `releasedAt`. */
  readonly acquiredAt: number;
  readonly releasedAt?: number;
  /** CoValues of the enumeration that are acknowledged; where an interrupted run goes on. */
  readonly offset: number;
}

/** The lock's row, if any. Only the committer's turn may act on it. */
export async function readLock(journal: Journal, peerId: string): Promise<LockRow | undefined> {
  const bytes = await journal.readRow(keys.lock(peerId));
  return bytes === null ? undefined : (JSON.parse(bytes.toString()) as LockRow);
}

/** cojson's rules for acquiring (cojson/src/storage/sqliteAsync/client.ts). */
export function acquireLock(
  lock: LockRow | undefined,
  holder: SessionID,
  now: number,
): { result: StorageReconciliationAcquireResult; lock?: LockRow } {
  const { RECONCILIATION_INTERVAL_MS, LOCK_TTL_MS } = cojsonInternals.STORAGE_RECONCILIATION_CONFIG;
  if (lock?.releasedAt !== undefined && now - lock.releasedAt < RECONCILIATION_INTERVAL_MS) {
    return { result: { acquired: false, reason: "not_due" } };
  }
  const held = lock !== undefined && lock.releasedAt === undefined;
  if (held && lock.holder !== holder && lock.acquiredAt + LOCK_TTL_MS >= now) {
    return { result: { acquired: false, reason: "lock_held" } };
  }
  const offset = held ? lock.offset : 0;
  return {
    result: { acquired: true, lastProcessedOffset: offset },
    lock: { holder, acquiredAt: now, offset },
  };
}

/** The lock with its progress noted; `undefined` when the caller does not hold it. */
export function renewLock(lock: LockRow | undefined, holder: SessionID, offset: number): LockRow | undefined {
  if (lock === undefined || lock.holder !== holder || lock.releasedAt !== undefined) return undefined;
  return { ...lock, offset };
}

/** The lock as given back; `undefined` when the caller does not hold it. */
export function releaseLock(lock: LockRow | undefined, holder: SessionID, now: number): LockRow | undefined {
  if (lock === undefined || lock.holder !== holder) return undefined;
  return { ...lock, releasedAt: now, offset: 0 };
}
