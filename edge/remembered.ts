import { SpriteSyncError } from "../shared/errors.ts";
import type { CoSessions } from "../shared/known-state.ts";
import type { Budget } from "./budget.ts";

/** What a session pays for the things that it remembers, in bytes of V8's heap, rounded up. */
export const COST = {
  /** A followed value of no or few writers: `bench/edge/follow-memory.ts` measures it. */
  follow: 256,
  /** An id that has no home: here, in `Wants`, and on its way to the directory. */
  unknownId: 320,
  /** An id whose messages wait for the directory, the messages apart. */
  waitingId: 448,
  /** A value that Sprites asked for which are not its home; and each of those. */
  interest: 160,
  interestedSprite: 48,
  /** One Sprite's upstream, with its queues, its timers and what is kept for each home. */
  upstream: 4_096,
  /** One coSession in a known state that is kept: a list of few, a map of many; the id apart, which V8 keeps once. */
  listEntry: 16,
  mapEntry: 64,
  /** A coSession id that this session meets for the first time, and its characters. */
  coSessionId: 80,
} as const;

const NONE: CoSessions = {};

/** Bytes of a known state of so many coSessions, their ids apart, as an object that was parsed or a map. */
export function entryBytes({ length }: { readonly length: number }): number {
  return length * COST.mapEntry;
}

/**
 * What one session remembers for its client, in bytes: followed values, ids without a home, what Sprites asked for, open
 * reconciliations. What waits to be sent has budgets of its own.
 *
 * 1. `take` refuses what does not fit: here, or in this session's fair share of its isolate. `charge` is for what others made
 *    the session remember, such as content of Sprites; a session that is far over its limit by that has to end.
 * 2. Each coSession id is charged once, however many values name it, and stays charged: it is the same text in V8's heap.
 *    A team of twenty is in thousands of values, and a stranger's invented ids are in one each.
 */
export class Remembered {
  readonly #budget: Budget;
  readonly #limits: RememberedLimits;
  readonly #coSessions = new Set<string>();

  constructor(budget: Budget, limits: RememberedLimits) {
    this.#budget = budget;
    this.#limits = limits;
  }

  get used(): number {
    return this.#budget.used;
  }

  /** Whether so much is remembered that refusing the client's messages was not enough. */
  get isFarOver(): boolean {
    return this.used > this.#limits.rememberedMaxBytes;
  }

  /** Whether `bytes` more, and the coSession ids in `named`, fit. What costs nothing always does. */
  fits(bytes: number, named = NONE): boolean {
    const cost = bytes + this.#costOfNew(named);
    return cost <= 0 || this.#budget.fits(cost);
  }

  /** @returns whether it fitted, and was charged. */
  take(bytes: number, named = NONE): boolean {
    if (!this.fits(bytes, named)) return false;
    this.charge(bytes, named);
    return true;
  }

  charge(bytes: number, named = NONE): void {
    this.#budget.charge(bytes + this.#costOfNew(named));
    for (const id in named) this.#coSessions.add(id);
  }

  /** Gives back what was charged, the coSession ids apart. */
  give(bytes: number): void {
    this.#budget.give(bytes);
  }

  /** The error for a message that finds no room. @param what is refused, as the beginning of a sentence */
  refusal(what: string): SpriteSyncError {
    const ends = `this connection may have the edge remember ${this.#limits.rememberedBytes} bytes, or less while others need room`;
    return new SpriteSyncError("overloaded", `${what}: ${ends}; follow fewer values, or connect again`);
  }

  #costOfNew(named: CoSessions): number {
    let bytes = 0;
    for (const id in named) if (!this.#coSessions.has(id)) bytes += COST.coSessionId + id.length;
    return bytes;
  }
}

export interface RememberedLimits {
  /** Past it the client's messages are refused that would make the session remember more. */
  readonly rememberedBytes: number;
  /** Past it the session ends. */
  readonly rememberedMaxBytes: number;
}
