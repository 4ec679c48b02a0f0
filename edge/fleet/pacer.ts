/** How fast one kind of call may be made: so many a second in the long run, and `burst` at once after a rest. */
export interface Pace {
  readonly perSecond: number;
  readonly burst: number;
}

/** A turn to make a call, `inMs` milliseconds from now; not granted when that is longer than the caller would wait. */
export interface Turn {
  readonly granted: boolean;
  readonly inMs: number;
}

/** Keeps calls within their pace by telling each when its turn is. It never waits itself. */
export interface Pacer {
  /**
   * Asks for the next turn of `key`. Turns are given in the order in which they were asked for.
   * @param now milliseconds; never goes back.
   */
  next(key: string, pace: Pace, now: number, patienceMs: number): Turn;
}

/** Keys that are remembered before those at rest are forgotten. */
const KEYS_KEPT = 10_000;

/**
 * A pacer by the generic cell rate algorithm (ITU-T I.371, "virtual scheduling"): for each key it keeps only the moment at
 * which all turns given so far will have been paid for.
 */
export function createPacer(): Pacer {
  const paidAt = new Map<string, number>();
  return {
    next(key, { perSecond, burst }, now, patienceMs) {
      if (paidAt.size >= KEYS_KEPT) forgetRested(paidAt, now);
      const price = 1_000 / perSecond;
      const paid = Math.max(paidAt.get(key) ?? now, now) + price;
      const inMs = Math.max(0, paid - burst * price - now);
      const granted = inMs <= patienceMs;
      // A turn that nobody takes must not be paid for, or those who are sent away would push everybody back for ever.
      if (granted) paidAt.set(key, paid);
      return { granted, inMs };
    },
  };
}

function forgetRested(paidAt: Map<string, number>, now: number): void {
  for (const [key, paid] of paidAt) if (paid <= now) paidAt.delete(key);
}
