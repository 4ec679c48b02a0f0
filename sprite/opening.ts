import { setTimeout as delay } from "node:timers/promises";
import { toSpriteSyncError } from "../shared/errors.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";

export interface OpeningDeps<T> {
  /** Leaves nothing open when it rejects. */
  readonly open: () => Promise<T>;
  /** Called after each try that failed. */
  readonly onFailed: () => void;
  /** No more tries are made once this aborts. */
  readonly ended: AbortSignal;
  readonly log: Log;
}

/**
 * Opens a Sprite's storage, and tries again with growing pauses ({@link LIMITS.storageRetryMs}) while that fails: a full
 * disk is emptied, a lock is given back.
 */
export class Opening<T extends object> {
  readonly #deps: OpeningDeps<T>;
  #latest: Promise<T | undefined>;
  #lastError: string | undefined;

  constructor(deps: OpeningDeps<T>) {
    this.#deps = deps;
    this.#latest = this.#try();
    void this.#run();
  }

  /** What the latest try yields; `undefined` if it fails. Never rejects: nobody may be waiting for it. */
  get latest(): Promise<T | undefined> {
    return this.#latest;
  }

  async #run(): Promise<void> {
    const { ended } = this.#deps;
    for (let pauseMs: number = LIMITS.storageRetryMs; !(await this.#latest); pauseMs *= 2) {
      const limitedMs = Math.min(pauseMs, LIMITS.storageRetryMaxMs);
      await delay(limitedMs, undefined, { signal: ended }).catch(() => undefined);
      if (ended.aborted) return;
      this.#latest = this.#try();
    }
  }

  async #try(): Promise<T | undefined> {
    const { open, onFailed, log } = this.#deps;
    try {
      const opened = await open();
      if (this.#lastError !== undefined) log.info({}, "the storage is open now");
      return opened;
    } catch (error) {
      const { code, message } = toSpriteSyncError(error, "storage-failed");
      // The same reason again is no news.
      if (message !== this.#lastError) log.error({ code }, `the storage does not open: ${message}`);
      this.#lastError = message;
      onFailed();
      return undefined;
    }
  }
}
