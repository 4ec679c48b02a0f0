import { setTimeout as delay } from "node:timers/promises";
import { logger } from "cojson";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { Journal } from "./journal.ts";
import type { CoValueRow } from "./row.ts";
import type { RowStore } from "./row-store.ts";
import { Staging } from "./staging.ts";

/** Whether the last write reached the disk. While `failed`, nothing is acknowledged and the writes are tried again. */
export type StorageState =
  | { readonly kind: "ok" }
  | { readonly kind: "failed"; readonly error: SpriteSyncError; readonly since: Date };

/** The rows that a flush wrote or looked at, by id, as they are on disk now. */
export type CommittedRows = (id: string) => CoValueRow | undefined;

/** One thing to write. */
export interface WriteRequest {
  /** Rough bytes of memory it holds while it waits. */
  readonly weight: number;
  /** The CoValue whose row it will need, to be read while an earlier flush still runs. */
  readonly id?: string;
  /** Must not share its flush, because it reads from disk what others in the batch would change. */
  readonly alone?: boolean;
  /** Dropped when the disk fails, because somebody waits for it who can do without. */
  readonly optional?: boolean;
  /**
   * Adds its changes to the batch. Called again when the flush failed.
   * @returns whether `committed` may be called once the batch is durable
   */
  stage(staging: Staging): Promise<boolean>;
  /** The batch is durable. */
  committed(rows: CommittedRows): void;
  /** The request will not be tried again, and nothing of it is promised. */
  dropped?(): void;
  /** Gives back memory because the queue is over its limit; `stage` must then do with less, and `weight` is less. */
  shrink?(): void;
}

export interface CommitterLimits {
  /** Requests and bytes of one flush at most. */
  readonly batchRequests: number;
  readonly batchBytes: number;
  /** Bytes of waiting requests above which new ones are shrunk. */
  readonly queueBytes: number;
  /** Milliseconds before a failed flush is tried again: the first time, and at most. */
  readonly retryMs: number;
  readonly maxRetryMs: number;
}

/**
 * The store's single writer. Invariants:
 * 1. One flush at a time; what arrives meanwhile goes into the next one, in order of arrival.
 * 2. `committed` is called only after its flush is durable, in order; never for a failed one.
 * 3. A failed flush is tried again with the same requests until it succeeds or the store is closed.
 * 4. Between two flushes nothing is half-written in memory: rows are published to readers after the flush.
 */
export class Committer {
  readonly #journal: Journal;
  readonly #rowStore: RowStore;
  readonly #limits: CommitterLimits;
  readonly #flushed: () => void;
  #queue: { readonly request: WriteRequest; readonly bytes: number }[] = [];
  #queuedBytes = 0;
  /** Queued requests by CoValue, and who waits for them. */
  readonly #pending = new Map<string, { requests: number; waiting: (() => void)[] }>();
  #count: number;
  #state: StorageState = { kind: "ok" };
  #running: Promise<void> | undefined;
  #closed = false;
  readonly #closing = new AbortController();

  /**
   * @param count CoValues stored so far
   * @param flushed called after each successful flush
   */
  constructor(
    journal: Journal,
    rowStore: RowStore,
    count: number,
    limits: CommitterLimits,
    flushed: () => void = () => {},
  ) {
    this.#journal = journal;
    this.#rowStore = rowStore;
    this.#count = count;
    this.#limits = limits;
    this.#flushed = flushed;
  }

  get state(): StorageState {
    return this.#state;
  }

  /** CoValues stored, as committed. */
  get count(): number {
    return this.#count;
  }

  get closed(): boolean {
    return this.#closed;
  }

  /** Queues a request; a closed committer ignores it, like cojson's own store queue. */
  enqueue(request: WriteRequest): void {
    if (this.#closed) {
      request.dropped?.();
      return;
    }
    if (this.#queuedBytes + request.weight > this.#limits.queueBytes) request.shrink?.();
    this.#queue.push({ request, bytes: request.weight });
    this.#queuedBytes += request.weight;
    if (request.id !== undefined) this.#expect(request.id);
    this.#running ??= this.#run();
  }

  /**
   * Resolves when what is queued for the CoValue is written, so that a reader finds what was stored before; at once
   * when nothing is, and also when the disk fails, because what it has can be read all the same.
   */
  settled(id: string): Promise<void> | undefined {
    const pending = this.#pending.get(id);
    if (pending === undefined || this.#state.kind === "failed") return undefined;
    return new Promise((resolve) => pending.waiting.push(resolve));
  }

  /** Queues a request made of `stage` alone. @returns a promise of the flush; rejects when `stage` throws. */
  write(
    stage: (staging: Staging) => Promise<void>,
    options: { alone?: boolean; optional?: boolean } = {},
  ): Promise<void> {
    return new Promise((resolve, reject) => {
      this.enqueue({
        ...options,
        weight: 200,
        stage: async (staging) => {
          await stage(staging).catch((error: unknown) => {
            reject(error);
            throw error;
          });
          return true;
        },
        committed: () => resolve(),
        dropped: () =>
          reject(
            new SpriteSyncError(
              "storage-failed",
              "The store was closed, or its disk failed, before this was written.",
            ),
          ),
      });
    });
  }

  /** Writes what is queued and stops. @throws SpriteSyncError when the disk does not take it. */
  async close(): Promise<void> {
    this.#closed = true;
    this.#closing.abort();
    await this.#running;
    const lost = this.#queue.length;
    for (const { request } of this.#queue.splice(0)) request.dropped?.();
    if (lost === 0) return;
    const cause = this.#state.kind === "failed" ? this.#state.error : undefined;
    const what = `The store was closed with ${lost} writes that the disk did not take; none of them was acknowledged.`;
    throw new SpriteSyncError("storage-failed", what, { cause });
  }

  async #run(): Promise<void> {
    let retryMs = this.#limits.retryMs;
    // A turn of the event loop's microtasks: everything stored in the same tick shares the first flush.
    await Promise.resolve();
    while (this.#queue.length > 0) {
      const batch = this.#nextBatch();
      try {
        await this.#flush(batch);
        this.#state = { kind: "ok" };
        retryMs = this.#limits.retryMs;
      } catch (error) {
        this.#fail(error);
        if (!(await this.#pause(retryMs))) break;
        retryMs = Math.min(retryMs * 2, this.#limits.maxRetryMs);
        continue;
      }
      for (const { request, bytes } of this.#queue.splice(0, batch.length)) {
        this.#queuedBytes -= bytes;
        if (request.id !== undefined) this.#settle(request.id);
      }
    }
    this.#running = undefined;
  }

  #nextBatch(): WriteRequest[] {
    const { batchRequests, batchBytes } = this.#limits;
    let total = 0;
    let length = 0;
    for (const { request, bytes } of this.#queue) {
      total += bytes;
      if (length > 0 && (request.alone || length === batchRequests || total > batchBytes)) break;
      length++;
      if (request.alone) break;
    }
    return this.#queue.slice(0, length).map(({ request }) => request);
  }

  #expect(id: string): void {
    const pending = this.#pending.get(id);
    if (pending === undefined) this.#pending.set(id, { requests: 1, waiting: [] });
    else pending.requests++;
    // Starts reading the row; a damaged one shows itself again, and is reported, when the request is staged.
    Promise.resolve(this.#rowStore.get(id)).catch(() => undefined);
  }

  #settle(id: string): void {
    const pending = this.#pending.get(id);
    if (pending === undefined || --pending.requests > 0) return;
    this.#pending.delete(id);
    for (const resolve of pending.waiting) resolve();
  }

  async #flush(batch: readonly WriteRequest[]): Promise<void> {
    const staging = new Staging(this.#rowStore, this.#journal.length, this.#count);
    const done: WriteRequest[] = [];
    for (const request of batch) {
      if (await this.#stage(request, staging)) done.push(request);
    }
    await this.#journal.commit(staging.change());
    this.#count = staging.count;
    this.#rowStore.committed(staging.rows);
    this.#flushed();
    for (const request of done) this.#publish(request, (id) => staging.rowAfter(id));
  }

  async #stage(request: WriteRequest, staging: Staging): Promise<boolean> {
    try {
      return await request.stage(staging);
    } catch (error) {
      // One damaged CoValue or one failing correction callback must not hold up the others in the batch.
      logger.error("A write was given up", { err: error });
      return false;
    }
  }

  #publish(request: WriteRequest, rows: CommittedRows): void {
    try {
      request.committed(rows);
    } catch (error) {
      // A callback of the LocalNode's; the data is safe and the other callbacks must run.
      logger.error("A callback failed after a durable write", { err: error });
    }
  }

  #fail(cause: unknown): void {
    const what = `The disk does not take writes: ${reasonsOf(cause)}. Nothing is acknowledged; it is tried again until it works.`;
    const error = new SpriteSyncError("storage-failed", what, { cause });
    if (this.#state.kind === "ok") logger.error("Storage failed", { err: error });
    const since = this.#state.kind === "failed" ? this.#state.since : new Date();
    this.#state = { kind: "failed", error, since };
    for (const { waiting } of this.#pending.values()) for (const resolve of waiting.splice(0)) resolve();
    for (const { request, bytes } of this.#queue.filter((queued) => queued.request.optional)) {
      this.#queuedBytes -= bytes;
      request.dropped?.();
    }
    this.#queue = this.#queue.filter((queued) => !queued.request.optional);
  }

  /** @returns whether to try again: not when the store is being closed and this was the last try. */
  async #pause(ms: number): Promise<boolean> {
    if (this.#closed) return false;
    // Closing ends the pause early, for one last try.
    await delay(ms, undefined, { signal: this.#closing.signal }).catch(() => undefined);
    return true;
  }
}

/** An error and its causes in one line: RocksDB's reason is the innermost. */
function reasonsOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { code } = error as NodeJS.ErrnoException;
  const own = [error.message, code].filter((part) => part !== undefined && part !== "").join(" ");
  return error.cause === undefined ? own : `${own}: ${reasonsOf(error.cause)}`;
}
