import { LIMITS } from "../shared/limits.ts";
import type { Outer } from "./budget.ts";

/**
 * What waits in a whole isolate: all sessions in it share its 128 MB (facts/cloudflare §1.1). workerd may end a session
 * without a word, for instance when its CPU time is spent: an account that has not been seen for `forgetAfterMs` counts
 * no longer, or what it had would be missing for ever.
 */
export class IsolateBudget {
  readonly limit: number;
  readonly #forgetAfterMs: number;
  readonly #accounts = new Set<Account>();
  #used = 0;

  /** @param limit bytes */
  constructor(limit: number, forgetAfterMs: number) {
    this.limit = limit;
    this.#forgetAfterMs = forgetAfterMs;
  }

  /** Bytes that wait now. */
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

  fits(bytes: number, now: number): boolean {
    if (this.#used + bytes <= this.limit) return true;
    for (const account of this.#accounts) {
      if (now - account.seenAt > this.#forgetAfterMs) this.close(account);
    }
    return this.#used + bytes <= this.limit;
  }

  /** Counts what an account used. One that was closed counts no more. */
  move(account: Account, bytes: number): void {
    if (this.#accounts.has(account)) this.#used += bytes;
  }
}

/** One session's part of an {@link IsolateBudget}; the outermost budget of that session. */
export class Account implements Outer {
  readonly #isolate: IsolateBudget;
  used = 0;
  /** When the session last gave a sign of life (ms). */
  seenAt: number;

  constructor(isolate: IsolateBudget, now: number) {
    this.#isolate = isolate;
    this.seenAt = now;
  }

  get exceeded(): boolean {
    return !this.fits(0);
  }

  fits(bytes: number): boolean {
    return this.#isolate.fits(bytes, this.seenAt);
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

/** What waits in this isolate, of all its sessions. */
export const isolateBudget = new IsolateBudget(LIMITS.isolateBytes, LIMITS.forgetSessionMs);
