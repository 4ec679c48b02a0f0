import { createHash } from "node:crypto";
import type { CojsonInternalTypes, CoValueCore, RawCoID, SessionID, StorageAPI } from "cojson";
import { emptyKnownState, logger } from "cojson";
import { DeletedCoValuesEraserScheduler } from "cojson/dist/storage/DeletedCoValuesEraserScheduler.js";
import { StorageKnownState } from "cojson/dist/storage/knownState.js";
import type { CorrectionCallback, StorageReconciliationAcquireResult } from "cojson/dist/storage/types.js";
import type { PeerID } from "cojson/dist/sync.js";
import { LRUCache } from "lru-cache";
import type { BackupReport, OwnBackupOptions } from "./backup/index.ts";
import type { StorageState } from "./committer.ts";
import type { Engine, StoredHeader } from "./engine.ts";
import { isStorableId } from "./format.ts";
import { Loader } from "./loader.ts";
import type { DamageRecord } from "./repairer.ts";
import type { CoValueRow } from "./row.ts";
import { StoreRequest } from "./store-request.ts";
import type { SyncStateUpdate } from "./sync-tracking.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;
type CoValueKnownState = CojsonInternalTypes.CoValueKnownState;

/** Known states kept of CoValues that are not loaded; a client that reconciles its whole storage asks for all of them. */
const LAZY_KNOWN_STATES = 10_000;

/** cojson's StorageAPI on one {@link Engine}; it holds what belongs to one LocalNode. */
export class SpriteStorage implements StorageAPI {
  readonly #engine: Engine;
  readonly #loader: Loader;
  readonly #release: (readers: Promise<unknown>) => Promise<void>;
  /** CoValues that the LocalNode has in memory: not loaded again as dependencies. */
  readonly #inMemory = new Set<RawCoID>();
  readonly #validDeletes = new Set<RawCoID>();
  readonly #loads = new Set<Promise<boolean>>();
  /** CoValues whose known state was asked for, and nothing else. */
  readonly #lazy = new LRUCache<RawCoID, true>({
    max: LAZY_KNOWN_STATES,
    dispose: (_, id, reason) => {
      if (reason === "evict" && !this.#inMemory.has(id)) this.knownStates.deleteKnownState(id);
    },
  });
  readonly #knownStateLoads = new Map<string, Promise<CoValueKnownState | undefined>>();
  #eraserScheduler: DeletedCoValuesEraserScheduler | undefined;
  #erasing: AbortController | undefined;
  #closing: Promise<void> | undefined;
  /** Durable states only: they grow after a flush, never before. */
  readonly knownStates = new StorageKnownState();

  /**
   * @param release gives the engine back when this is closed, once `readers` are finished; others in the process may
   *   still use it
   */
  constructor(
    engine: Engine,
    release: (readers: Promise<unknown>) => Promise<void> = (readers) => engine.close(readers),
  ) {
    this.#engine = engine;
    this.#release = release;
    this.#loader = new Loader({
      journal: engine.journal,
      rowStore: engine.rowStore,
      settled: (id) => engine.committer.settled(id),
      inMemory: this.#inMemory,
      found: (row) => this.#showKnownState(row),
      loaded: (row) => this.knownStates.handleUpdate(row.id, this.getKnownState(row.id)),
      damaged: (id, row, error) => this.#damaged(id, row, error),
    });
  }

  /** Whether the disk takes writes. */
  get state(): StorageState {
    return this.#engine.committer.state;
  }

  /** CoValues that were found damaged since the store was made. */
  damages(): Promise<DamageRecord[]> {
    return this.#engine.repairer.damages();
  }

  /** Bytes ever appended to the log. */
  get bytes(): number {
    return this.#engine.journal.bytes;
  }

  /** Blocks of the log: every store that changes something adds some. */
  get length(): number {
    return this.#engine.journal.length;
  }

  /**
   * Names all that is stored, as of when the log had `length` blocks: stores of the same mark hold the same CoValues in the
   * same states. The log's hash says so, but for what a repair cut off, of which the damage records tell as of now.
   */
  async mark(length = this.length): Promise<string> {
    const { journal } = this.#engine;
    const [tree, damages] = await Promise.all([journal.treeHash(length), this.damages()]);
    const all = createHash("sha256").update(journal.key).update(tree).update(JSON.stringify(damages));
    return `${length}-${all.digest("base64url")}`;
  }

  /** Backs the store up while it is served from. @throws SpriteSyncError when the place does not take it */
  async backUp(options: OwnBackupOptions): Promise<BackupReport> {
    // Loaded when it is needed: most starts need it never.
    const { backUpOwnStore } = await import("./backup/index.ts");
    return backUpOwnStore(this.#engine, options);
  }

  async load(
    id: string,
    callback: (data: NewContentMessage) => void,
    done?: (found: boolean) => void,
  ): Promise<void> {
    this.#interruptErasing();
    if (this.#closing !== undefined || !isStorableId(id)) return done?.(false);
    const loading = this.#loader.load(id as RawCoID, callback).catch((error: unknown) => {
      // cojson does not look at the promise: a rejection would end the process for one CoValue.
      logger.error("A CoValue could not be loaded", { id, err: error });
      return false;
    });
    this.#loads.add(loading);
    const found = await loading.finally(() => this.#loads.delete(loading));
    done?.(found);
  }

  store(data: NewContentMessage, handleCorrection: CorrectionCallback, done?: () => void): void {
    if (this.#closing !== undefined || !isStorableId(data.id)) return;
    this.#interruptErasing();
    const request = new StoreRequest(data, handleCorrection, {
      deleteIsValid: this.#validDeletes.has(data.id),
      committed: (row) => {
        if (row !== undefined) this.#stored(row);
        done?.();
      },
    });
    this.#engine.committer.enqueue(request);
  }

  getKnownState(id: string): CoValueKnownState {
    return this.knownStates.getKnownState(id);
  }

  loadKnownState(id: string, callback: (knownState: CoValueKnownState | undefined) => void): void {
    const cached = this.knownStates.getCachedKnownState(id);
    if (cached !== undefined) {
      callback(cached);
      return;
    }
    let loading = this.#knownStateLoads.get(id);
    if (loading === undefined) {
      loading = this.#loadKnownState(id).finally(() => this.#knownStateLoads.delete(id));
      this.#knownStateLoads.set(id, loading);
    }
    // It catches what fails.
    void loading.then(callback);
  }

  waitForSync(id: string, coValue: CoValueCore): Promise<void> {
    return this.knownStates.waitForSync(id, coValue);
  }

  trackCoValuesSyncState(updates: SyncStateUpdate[], done?: () => void): void {
    // A node that shuts down waits for `done`, whatever the disk says.
    void this.#engine.syncTracking.track(updates).catch(logFailed("track unsynced CoValues")).then(done);
  }

  getUnsyncedCoValueIDs(callback: (ids: RawCoID[]) => void): void {
    this.#engine.syncTracking.unsynced().then(callback, logFailed("list unsynced CoValues"));
  }

  stopTrackingSyncState(id: RawCoID): void {
    this.#engine.syncTracking.stop(id).catch(logFailed("stop tracking a CoValue"));
  }

  getCoValueIDs(limit: number, offset: number, callback: (batch: { id: RawCoID }[]) => void): void {
    const ids = this.#engine.ids(limit, offset);
    ids.then((batch) => callback(batch.map((id) => ({ id }))), logFailed("list CoValues"));
  }

  /** What is stored, in order of creation here: `limit` of it after the first `offset`. */
  headers(limit: number, offset: number): Promise<StoredHeader[]> {
    return this.#engine.headers(limit, offset);
  }

  getCoValueCount(callback: (count: number) => void): void {
    callback(this.#engine.committer.count);
  }

  tryAcquireStorageReconciliationLock(
    sessionId: SessionID,
    peerId: PeerID,
    callback: (result: StorageReconciliationAcquireResult) => void,
  ): void {
    this.#engine.tryAcquireLock(sessionId, peerId).then(callback, logFailed("acquire a reconciliation lock"));
  }

  renewStorageReconciliationLock(sessionId: SessionID, peerId: PeerID, offset: number): void {
    this.#engine.renewLock(sessionId, peerId, offset).catch(logFailed("renew a reconciliation lock"));
  }

  releaseStorageReconciliationLock(sessionId: SessionID, peerId: PeerID): void {
    this.#engine.releaseLock(sessionId, peerId).catch(logFailed("release a reconciliation lock"));
  }

  markDeleteAsValid(id: RawCoID): void {
    this.#validDeletes.add(id);
    this.#eraserScheduler?.onEnqueueDeletedCoValue();
  }

  enableDeletedCoValuesErasure(): void {
    if (this.#eraserScheduler !== undefined) return;
    this.#eraserScheduler = new DeletedCoValuesEraserScheduler({
      run: async () => {
        try {
          await this.eraseAllDeletedCoValues();
          return { hasMore: await this.#engine.eraser.unfinished() };
        } catch (error) {
          // Closed under it: what is left is found and erased after the next opening.
          if (this.#closing !== undefined) return { hasMore: false };
          throw error;
        }
      },
    });
    this.#eraserScheduler.scheduleStartupDrain();
  }

  /** Erases until all are done or a load or store wants the disk; the scheduler then comes again. */
  async eraseAllDeletedCoValues(): Promise<void> {
    const { eraser } = this.#engine;
    const ids = await eraser.pending();
    const erasing = new AbortController();
    this.#erasing = erasing;
    for (const id of ids) {
      if (erasing.signal.aborted) return;
      await eraser.erase(id).catch((error: unknown) => {
        // One that cannot be read must not keep the others from being erased; it stays in the queue.
        logger.error("A deleted CoValue could not be erased", { id, err: error });
      });
    }
    if (!erasing.signal.aborted) await eraser.sweep();
  }

  onCoValueUnmounted(id: RawCoID): void {
    this.#inMemory.delete(id);
    this.#validDeletes.delete(id);
    this.knownStates.deleteKnownState(id);
  }

  /** Writes everything that was handed to `store` before, then closes the files. */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    this.#eraserScheduler?.dispose();
    this.#interruptErasing();
    // Not awaited first: a load may wait for a repair, which only ends when the committer does.
    await this.#release(Promise.allSettled(this.#loads));
  }

  async #loadKnownState(id: string): Promise<CoValueKnownState | undefined> {
    if (!isStorableId(id)) return undefined;
    try {
      await this.#engine.committer.settled(id);
      const row = await this.#engine.rowStore.get(id);
      if (row === undefined) return undefined;
      if (!this.#inMemory.has(row.id)) this.#lazy.set(row.id, true);
      return this.#showKnownState(row);
    } catch (error) {
      // cojson then does a full load, which repairs what can be repaired.
      logger.warn("Failed to load knownState from storage", { id, err: error });
      return undefined;
    }
  }

  /** Puts what is durable into the known state, whose object identity callers rely on. */
  #showKnownState(row: CoValueRow): CoValueKnownState {
    const knownState = this.getKnownState(row.id);
    knownState.header = true;
    for (const { id, count } of row.coSessions) knownState.sessions[id] = count;
    return knownState;
  }

  #stored(row: CoValueRow): void {
    this.#inMemory.add(row.id);
    this.knownStates.handleUpdate(row.id, this.#showKnownState(row));
  }

  /** @returns whether the CoValue is another one now: repaired, or changed while it was being read. */
  async #damaged(id: RawCoID, row: CoValueRow | undefined, error: Error): Promise<boolean> {
    const { rowStore, repairer, committer } = this.#engine;
    const seen = await Promise.resolve(rowStore.get(id)).catch(() => undefined);
    if (seen !== undefined && seen !== row) return true;
    logger.error("A stored CoValue is damaged; clients are asked again for what is lost", { id, err: error });
    // A repair would wait for the disk, and the client for its answer.
    if (committer.state.kind === "failed") return false;
    try {
      await repairer.repair(id, error);
    } catch (failure) {
      logger.error("The damaged CoValue could not be repaired; it is tried again when it is loaded", {
        id,
        err: failure,
      });
      return false;
    }
    this.knownStates.setKnownState(id, emptyKnownState(id));
    return (await rowStore.get(id)) !== undefined;
  }

  #interruptErasing(): void {
    this.#erasing?.abort();
    this.#erasing = undefined;
  }
}

function logFailed(what: string): (error: unknown) => void {
  return (error) => logger.error(`Storage could not ${what}`, { err: error });
}
