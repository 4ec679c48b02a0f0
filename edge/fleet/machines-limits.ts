import type { Pace } from "./pacer.ts";

/**
 * Times of the Machines client, milliseconds unless the name says otherwise.
 * Together they stay below `LIMITS.locateTimeoutMs`, in which the coordinator must have its answer.
 */
export const MACHINES_LIMITS = {
  /** A read or a state change; the API answers in tens of milliseconds, or its gateway gives up at about this. */
  callMs: 10_000,
  /** A create call: placement may look for a host for seconds. Its outcome is looked up when it does not answer. */
  createMs: 30_000,
  /**
   * One `wait` call, whole seconds; the API allows 60. Short slices notice soon that a Machine crashed while we waited for
   * its start, or that somebody started it again right after the stop that we waited for.
   */
  waitSliceSeconds: 3,
  /** How much longer than the slice we listen, so that the API's own 408 comes first (facts/fly-machines §1.6). */
  waitGraceMs: 5_000,
  /** All of one `wake` but its last step; below `LIMITS.locateTimeoutMs` so that the caller gets our error, not its own. */
  wakeMs: 45_000,
  /** How long a call waits for its turn within Fly's rate limits before its caller is told to come back later. */
  turnMs: 10_000,
  /** Pause before reading again a Machine whose state we cannot use; doubles up to `rereadMaxMs`. Get is limited to 5/s. */
  rereadMs: 250,
  rereadMaxMs: 2_000,
  /** Starts of one `wake`: a server that dies at every boot must be told apart from one that boots slowly. */
  startsPerWake: 3,
  /** Rounds of one `ensure`: each looks first, so that more rounds never make more Machines. */
  ensureRounds: 4,
  /** Pause between rounds; create is limited to 1/s per app (facts/fly-machines §1.10). */
  ensurePauseMs: 1_000,
  /** Tries to delete a volume that is still attached to a Machine being destroyed. */
  detachTries: 5,
  /** Machines in one page of a list; the API allows 1,000. */
  listPage: 500,
} as const;

/** What the keys of turns begin with that the whole app shares; all others belong to one Machine, so to its coordinator. */
export const APP_TURNS = "app ";
/** The turn to create a Sprite: its calls follow one another, so that whoever has it seldom waits for one of theirs. */
export const CREATION_TURN = `${APP_TURNS}creation`;

/**
 * How fast we make calls of one operation on one Machine, or on the app. Fly allows 1 a second with a burst of 3, and 5 with
 * a burst of 10 to show a Machine (facts/fly-machines §1.10). Our bursts are smaller: calls bunch up on their way, and what
 * left us a second apart may arrive closer together.
 */
export function paceOf(operation: string): Pace {
  return operation === "Machines_show" ? { perSecond: 5, burst: 8 } : { perSecond: 1, burst: 2 };
}
