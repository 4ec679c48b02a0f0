/** How a Sprite's life ends, and when (milliseconds). */
export type Ending =
  /** Killed under load, `afterMs` after its first acknowledgement; stopped for `stoppedMs` before. */
  | { readonly kind: "loaded"; readonly afterMs: number; readonly stoppedMs: number }
  /** Its clients say nothing more for `afterMs`: what storage does when it is quiet has begun. */
  | { readonly kind: "quiet"; readonly afterMs: number }
  /** Killed at this part of the time that it takes until its storage is open. */
  | { readonly kind: "opening"; readonly part: number };

/** The lives of one round: what is on disk is looked at after the last. */
export type Round = readonly Ending[];

/** Most rounds are short; what takes long must not take the time of the others. */
const SHORT_MS = 120;
const LONG_MS = 600;
/** Around the second of quiet after which the catalog catches up. */
const QUIET_MS = { from: 950, to: 1_250 };
const STOPPED_MS = 40;

export function nextRound(random: () => number): Round {
  const kind = random();
  if (kind < 0.15) return [opening(random)];
  if (kind < 0.18) return [opening(random), opening(random)];
  if (kind < 0.28) return [loaded(random, SHORT_MS, 0), opening(random)];
  if (kind < 0.4) return [loaded(random, SHORT_MS, STOPPED_MS)];
  if (kind < 0.43) return [loaded(random, LONG_MS, 0)];
  if (kind < 0.46)
    return [{ kind: "quiet", afterMs: QUIET_MS.from + random() * (QUIET_MS.to - QUIET_MS.from) }];
  return [loaded(random, SHORT_MS, 0)];
}

function loaded(random: () => number, longestMs: number, stoppedMs: number): Ending {
  return { kind: "loaded", afterMs: random() * longestMs, stoppedMs: random() * stoppedMs };
}

/** From before it listens until it serves; mostly while it opens its store. */
function opening(random: () => number): Ending {
  return { kind: "opening", part: 0.3 + random() * 0.8 };
}
