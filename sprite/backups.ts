import { readFile, writeFile } from "node:fs/promises";
import { toSpriteSyncError } from "../shared/errors.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import type { BackupConfig } from "./config.ts";
import type { SpriteStorage } from "./storage/index.ts";

/** What backups need of a store. */
export interface BackedUpStore {
  /** Blocks of its log; it grows with everything that is stored. */
  readonly length: number;
  /** Tells its log, up to a length, from that of any other store. */
  mark(length: number): Promise<string>;
  /** Adds what is new to the place. Puts nothing there any more once `signal` has aborted. */
  backUp(signal: AbortSignal): Promise<{ readonly covalues: number; readonly bytesWritten: number }>;
}

/** A store that can be backed up, as `openStorage` gives it. */
type Storage = Pick<SpriteStorage, "length" | "mark" | "backUp">;

/** The backups that a Sprite's settings ask for. @param markFile beside the store */
export function makeBackups(storage: Storage, config: BackupConfig, markFile: string, log: Log): Backups {
  const { place, everyMs, keepDays, env } = config;
  const store: BackedUpStore = {
    get length() {
      return storage.length;
    },
    mark: (length) => storage.mark(length),
    backUp: (signal) => storage.backUp({ place, env, keepDays, signal }),
  };
  return new Backups({ store, place, markFile, everyMs, log, now: () => performance.now() });
}

export interface BackupsDeps {
  readonly store: BackedUpStore;
  /** For people and the mark: where the backups go. */
  readonly place: string;
  /** A file beside the store that remembers what was backed up, so that a Sprite that was only read from need not ask. */
  readonly markFile: string;
  /** While it stays awake, a backup is begun at most so often. */
  readonly everyMs: number;
  readonly log: Log;
  /** Milliseconds that only grow. */
  readonly now: () => number;
}

/** What `/healthz` says: `none` before the first one of this process. */
export type BackupHealth = "none" | "ok" | "failed";

interface Run {
  readonly length: number;
  readonly since: number;
  readonly cancel: AbortController;
  readonly done: Promise<void>;
}

/**
 * The backups that a Sprite makes of its own store. Nothing waits for them: neither a store nor an acknowledgement.
 *
 * 1. At most one runs at a time.
 * 2. Of what was tried without success it is not tried again before `everyMs` are over, and never keeps the Sprite awake twice.
 * 3. None fails the Sprite: what goes wrong is logged and shown by `health`.
 */
export class Backups {
  readonly #deps: BackupsDeps;
  /** How much of the log is in the place; `undefined` until the mark was read. */
  #covered: number | undefined;
  /** How much of the log the last try was about. */
  #tried = -1;
  #lastTry: number;
  #run: Run | undefined;
  #reading: Promise<void> | undefined;
  #health: BackupHealth = "none";

  constructor(deps: BackupsDeps) {
    this.#deps = deps;
    this.#lastTry = deps.now();
  }

  get health(): BackupHealth {
    return this.#health;
  }

  /** Whether one runs just now. */
  get running(): boolean {
    return this.#run !== undefined;
  }

  /** Called every second while the Sprite is awake: begins a backup when one is due. */
  check(): void {
    const { now, everyMs } = this.#deps;
    if (this.#run === undefined && now() - this.#lastTry >= everyMs && this.#hasNews()) this.#begin();
  }

  /**
   * Asked when the Sprite could fall asleep: begins a backup when something is new.
   * @returns whether it may sleep now; if not, it is to be asked again
   */
  readyToSleep(): boolean {
    if (this.#run !== undefined) {
      if (this.#deps.now() - this.#run.since < LIMITS.backupAwakeMs) return false;
      this.#run.cancel.abort();
      return true;
    }
    if (this.#covered === undefined) {
      this.#hasNews();
      return false;
    }
    if (this.#tried === this.#deps.store.length || !this.#hasNews()) return true;
    this.#begin();
    return false;
  }

  /** One last try for what is new, if `limitMs` suffice for it; then what runs is given up. The store may be closed after. */
  async close(limitMs: number): Promise<void> {
    const deadline = this.#deps.now() + limitMs;
    const left = () => deadline - this.#deps.now();
    if (this.#run === undefined) {
      this.#hasNews();
      await within(left(), this.#reading);
      if (this.#tried !== this.#deps.store.length && this.#hasNews()) this.#begin();
    }
    const run = this.#run;
    if (run === undefined) return;
    await within(left(), run.done);
    run.cancel.abort();
  }

  /** Begins to read the mark when that has not been done; until then nothing is new. */
  #hasNews(): boolean {
    if (this.#covered === undefined) {
      this.#reading ??= this.#readMark();
      return false;
    }
    return this.#deps.store.length !== this.#covered;
  }

  #begin(): void {
    const { store, now } = this.#deps;
    const cancel = new AbortController();
    const length = store.length;
    this.#tried = length;
    this.#lastTry = now();
    const done = this.#backUp(length, cancel.signal).finally(() => {
      this.#run = undefined;
    });
    this.#run = { length, since: now(), cancel, done };
  }

  /** Never rejects. */
  async #backUp(length: number, signal: AbortSignal): Promise<void> {
    const { store, place, log, now } = this.#deps;
    const begun = now();
    try {
      const mark = await store.mark(length);
      const { covalues, bytesWritten } = await store.backUp(signal);
      this.#covered = length;
      this.#health = "ok";
      await this.#writeMark(length, mark);
      log.info({ covalues, bytesWritten, ms: Math.round(now() - begun) }, "backed up");
    } catch (error) {
      if (signal.aborted) {
        log.warn({ place }, "a backup was given up because the Sprite stops; the next one goes on with it");
        return;
      }
      this.#health = "failed";
      const { code, message } = toSpriteSyncError(error, "transient");
      log.error({ code, place }, `the backup failed; what is served does not depend on it: ${message}`);
    }
  }

  async #readMark(): Promise<void> {
    const { store, place, markFile } = this.#deps;
    let covered = 0;
    try {
      const [where, length, mark] = JSON.parse(await readFile(markFile, "utf8")) as unknown[];
      const known = typeof length === "number" && length <= store.length && where === place;
      if (known && (await store.mark(length)) === mark) covered = length;
    } catch {
      // Not there, or not readable: the place itself knows what it has.
    }
    this.#covered ??= covered;
  }

  async #writeMark(length: number, mark: string): Promise<void> {
    const { place, markFile } = this.#deps;
    // Without it the next process asks the place, which costs a request or two.
    await writeFile(markFile, JSON.stringify([place, length, mark])).catch(() => undefined);
  }
}

async function within(ms: number, task: Promise<unknown> | undefined): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, Math.max(0, ms));
  });
  await Promise.race([task, limit]);
  clearTimeout(timer);
}
