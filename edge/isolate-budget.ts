import { LIMITS } from "../shared/limits.ts";
import type { Outer } from "./budget.ts";

/** How the sessions of an isolate share it. */
export interface Sharing {
  /**
   * A session may have so many times what would still be free. With 1 a single one gets half of all, two get a third each, and
   * n of them leave as much free as each has; with 8 three get 8/25 each, and leave an eighth of that.
   */
  readonly shareOfFree: number;
  /**
   * Whether a session that finds no room although another has more than twice as much makes that one end. For what is
   * kept as long as a session lives; what waits goes away by itself.
   */
  readonly evicts: boolean;
}

/**
 * What all sessions of an isolate use of one kind of memory: they share its 128 MB. workerd may end a session
 * without a word, for instance when its CPU time is spent: an account that has not been seen for `forgetAfterMs` counts
 * no longer, or what it had would be missing for ever.
 *
 * 1. What fits depends on who asks: while little is free, those that have much are refused, and those that have little are not.
 * 2. An evicted account counts no longer, at once. Its session, which alone may close its socket in workerd, ends at its
 *    next event, a ping interval later at most.
 */
export class IsolateBudget {
  readonly limit: number;
  readonly #forgetAfterMs: number;
  readonly #sharing: Sharing;
  readonly #accounts = new Set<Account>();
  #used = 0;

  /** @param limit bytes */
  constructor(limit: number, forgetAfterMs: number, sharing: Sharing) {
    this.limit = limit;
    this.#forgetAfterMs = forgetAfterMs;
    this.#sharing = sharing;
  }

  /** Bytes that are used now. */
  get used(): number {
    return this.#used;
  }

  /** Opens a session's account. */
  open(now: number): Account {
    const account = new Account(this, now);
    this.#accounts.add(account);
    return account;
  }

  close(account: Account): void {
    if (this.#accounts.delete(account)) this.#used -= account.used;
  }

  /** Whether `bytes` more of an account fit; makes room for them if it has to and may. */
  fits(account: Account, bytes: number): boolean {
    if (account.isEvicted) return false;
    if (this.#hasRoom(account, bytes)) return true;
    for (const other of this.#accounts) {
      if (account.seenAt - other.seenAt > this.#forgetAfterMs) this.close(other);
    }
    return this.#hasRoom(account, bytes) || (this.#sharing.evicts && this.#makeRoom(account, bytes));
  }

  /** Counts what an account used. One that was closed counts no more. */
  move(account: Account, bytes: number): void {
    if (this.#accounts.has(account)) this.#used += bytes;
  }

  #hasRoom(account: Account, bytes: number): boolean {
    const free = this.limit - this.#used - bytes;
    return free >= 0 && account.used + bytes <= this.#sharing.shareOfFree * free;
  }

  #makeRoom(account: Account, bytes: number): boolean {
    while (!this.#hasRoom(account, bytes)) {
      let largest = account;
      for (const other of this.#accounts) if (other.used > largest.used) largest = other;
      if (largest.used <= 2 * (account.used + bytes)) return false;
      largest.isEvicted = true;
      this.close(largest);
    }
    return true;
  }
}

/** One session's part of an {@link IsolateBudget}; the outermost budget of that session. */
export class Account implements Outer {
  readonly #isolate: IsolateBudget;
  used = 0;
  /** When the session last gave a sign of life (ms). */
  seenAt: number;
  /** Its session has to end, because another one needs what it has. */
  isEvicted = false;

  constructor(isolate: IsolateBudget, now: number) {
    this.#isolate = isolate;
    this.seenAt = now;
  }

  get exceeded(): boolean {
    return !this.fits(0);
  }

  fits(bytes: number): boolean {
    return this.#isolate.fits(this, bytes);
  }

  charge(bytes: number): void {
    this.used += bytes;
    this.#isolate.move(this, bytes);
  }

  give(bytes: number): void {
    this.charge(-bytes);
  }

  close(): void {
    this.#isolate.close(this);
  }
}

/** How what waits is shared: three sessions may each keep an upload of `unacknowledgedBytes`. */
export const SHARE_WAITING: Sharing = { shareOfFree: 8, evicts: false };
export const SHARE_REMEMBERED: Sharing = { shareOfFree: 1, evicts: true };

/** An isolate's memory, as its sessions share it. */
export interface IsolateMemory {
  /** What waits to be sent, or to be worked off. */
  readonly waiting: IsolateBudget;
  /** What is kept as long as a client stays. */
  readonly remembered: IsolateBudget;
}

/** That of this isolate, of all its sessions. */
export const isolateMemory: IsolateMemory = {
  waiting: new IsolateBudget(LIMITS.isolateBytes, LIMITS.forgetSessionMs, SHARE_WAITING),
  remembered: new IsolateBudget(LIMITS.isolateRememberedBytes, LIMITS.forgetSessionMs, SHARE_REMEMBERED),
};
