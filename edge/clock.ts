import { type Later, later } from "../shared/timeout.ts";

/** Time and chance. The deciding code takes them from here, so that a simulation can bring its own. */
export interface Clock {
  /** Milliseconds since 1970. */
  readonly now: () => number;
  readonly later: Later;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
}

export const systemClock: Clock = { now: () => Date.now(), later, random: () => Math.random() };
