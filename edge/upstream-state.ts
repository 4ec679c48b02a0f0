import { CLOSE, LIMITS } from "../shared/limits.ts";

/**
 * What one session's upstream to one Sprite is doing. Nothing here touches a socket or a timer: {@link step} says what
 * an event leads to, and `Upstream` does it.
 *
 * 1. Each state owns its means and no other has them: `waking` a dial, `waiting` a timer, `repairing` and `open` a
 *    socket, `asleep` a watch. Leaving the state gives them up.
 * 2. While something waits in the queue or is owed, the upstream is on its way to a socket: `waking`, `waiting`,
 *    `repairing`, `open` or `held`. The one exception is invariant 4.
 * 3. Whatever has been sent on a socket that is lost is marked for repair before anything else begins.
 * 4. A Sprite that says it sleeps is attached again for what is owed at most `FRUITLESS_ATTACHES` times in a row without
 *    the client having sent anything: a client that answers no repair must not keep it from sleeping.
 * 5. A Sprite that is lost before it has answered the replay is dialled again ever more slowly, as if the dial had failed.
 * 6. While the client does not read (`clogged`), none is dialled, and one that brings it something new is closed. Those that
 *    are quiet, or only answer, stay: else each pause of a slow client would begin all of its replays anew.
 * 7. `closed` is final, and owns nothing.
 */
export type UpstreamState =
  | (Tries & { readonly kind: "idle" })
  /** Finding, creating or waking the Sprite, connecting, and waiting for its hello. */
  | (Tries & { readonly kind: "waking"; readonly attempt: number })
  /** Until the next attempt. */
  | (Tries & { readonly kind: "waiting"; readonly attempt: number })
  /** Attached; not every replayed `load` has been answered. */
  | (Tries & { readonly kind: "repairing"; readonly attempt: number; readonly boot: string })
  | (Tries & { readonly kind: "open"; readonly boot: string })
  /** The Sprite said that it sleeps; its coordinator will say when it is awake. */
  | (Tries & { readonly kind: "asleep"; readonly boot: string })
  /** Not attached, because the client does not read what it is sent. */
  | (Tries & { readonly kind: "held" })
  | { readonly kind: "closed" };

interface Tries {
  /** Attaches in a row that were made only because something was owed, and during which the client sent nothing. */
  readonly fruitless: number;
}

export type UpstreamEvent =
  /** The client sent something for this home, or it is to be attached for another reason. */
  | { readonly kind: "wanted" }
  | { readonly kind: "opened"; readonly boot: string }
  /** The Sprite sleeps since the end of period `boot`, and has nothing to tell. */
  | { readonly kind: "unchanged"; readonly boot: string }
  /** The dial came through, but the Sprite had closed again before the socket was used: nothing was lost. */
  | { readonly kind: "closedUnused"; readonly boot: string; readonly asleep: boolean }
  | { readonly kind: "dialFailed"; readonly permanent: boolean; readonly retryAfterMs: number }
  /** The pause of `waiting` is over. */
  | { readonly kind: "elapsed" }
  /** Every replayed `load` has been answered. */
  | { readonly kind: "repaired" }
  /** The socket closed: the Sprite sleeps, or it broke. */
  | { readonly kind: "lost"; readonly asleep: boolean }
  /** The socket is open and useless: no sign of life, or nothing that was sent is taken. */
  | { readonly kind: "stalled" }
  /** The coordinator says that the Sprite is awake. */
  | { readonly kind: "awake" }
  /** The Sprite sent something new, and the client does not read: it is not passed on. */
  | { readonly kind: "noRoom" }
  /** The client reads again; see `Facts.clogged`. */
  | { readonly kind: "unclogged" }
  /** The session ends. */
  | { readonly kind: "ended" };

/** What the session knows when an event comes. */
export interface Facts {
  /** Something waits in the queue. */
  readonly waits: boolean;
  /** Something is owed by or to the home. */
  readonly owes: boolean;
  /** The client follows something of the home. */
  readonly follows: boolean;
  /** The client sent something since the last `lost`. */
  readonly used: boolean;
  /** The client does not read. */
  readonly clogged: boolean;
}

export type Effect =
  | { readonly kind: "dial"; readonly fresh: boolean }
  /** Whatever the dial under way brings is not used. */
  | { readonly kind: "abandonDial" }
  /** Pause for the {@link backoff} of `attempt`, or not at all without one, and at least `atLeastMs`. */
  | { readonly kind: "wait"; readonly attempt: number | undefined; readonly atLeastMs: number }
  | { readonly kind: "stopWaiting" }
  | { readonly kind: "watch"; readonly boot: string }
  | { readonly kind: "stopWatching" }
  /** Send the replay, then the queue. */
  | { readonly kind: "attach" }
  | { readonly kind: "close"; readonly code: number; readonly reason: string }
  /** Mark what was on its way for repair. */
  | { readonly kind: "markLost" }
  | { readonly kind: "dropQueue" }
  /** Tell the client why its values have to wait. */
  | { readonly kind: "tellTrouble" };

export interface Step {
  readonly state: UpstreamState;
  readonly effects: readonly Effect[];
}

/** See invariant 4. */
export const FRUITLESS_ATTACHES = 2;
/** After so many failures in a row the client hears of it. */
const TELL_AFTER = 3;

export const IDLE: UpstreamState = { kind: "idle", fruitless: 0 };
const CLOSED: UpstreamState = { kind: "closed" };

/** What `event` leads to. Every event is allowed in every state; one that comes too late changes nothing. */
export function step(state: UpstreamState, event: UpstreamEvent, facts: Facts): Step {
  if (state.kind === "closed") return stay(state);
  switch (event.kind) {
    case "wanted":
    case "awake":
      return wake(state, event.kind, facts);
    case "opened":
      return state.kind === "waking" ? opened(state, event.boot, facts) : stay(state);
    case "unchanged":
      return unchanged(state, event.boot, facts);
    case "closedUnused":
      return state.kind === "waking" ? closedUnused(state, event, facts) : stay(state);
    case "dialFailed":
      return state.kind === "waking" ? dialFailed(state, event) : stay(state);
    case "elapsed":
      return state.kind === "waiting" ? dial(state, state.attempt, facts) : stay(state);
    case "repaired":
      return state.kind === "repairing"
        ? to({ kind: "open", boot: state.boot, fruitless: state.fruitless })
        : stay(state);
    case "lost":
    case "stalled":
      return isAttached(state) ? lost(state, event, facts) : stay(state);
    case "noRoom":
      return isAttached(state) ? hold(state) : stay(state);
    case "unclogged":
      return state.kind === "held" ? letGo(state, facts) : stay(state);
    case "ended":
      return to(CLOSED, ...leave(state, "the session ended"), { kind: "dropQueue" });
  }
}

/** Whether there is a socket that may be used. */
export function isAttached(state: UpstreamState): state is AttachedState {
  return state.kind === "open" || state.kind === "repairing";
}
type AttachedState = Extract<UpstreamState, { kind: "open" | "repairing" }>;
type WakingState = Extract<UpstreamState, { kind: "waking" }>;

/**
 * How long to wait before attempt `attempt` (ms): doubling, with jitter, so that the sessions of a Sprite that crashed
 * do not come back all at once.
 * @param chance 0 ≤ chance < 1
 */
export function backoff(attempt: number, chance: number): number {
  const ceiling = Math.min(LIMITS.attachRetryMs * 2 ** attempt, LIMITS.attachRetryMaxMs);
  return ceiling * (0.5 + chance / 2);
}

function wake(state: UpstreamState & Tries, why: "wanted" | "awake", facts: Facts): Step {
  if (state.kind === "asleep") {
    const { state: next, effects } = dial(state, 0, facts);
    return to(next, { kind: "stopWatching" }, ...effects);
  }
  return state.kind === "idle" && why === "wanted" ? dial(state, 0, facts) : stay(state);
}

/** A client that told meanwhile that it has more is owed to the Sprite all the same. */
function unchanged(state: UpstreamState & Tries, boot: string, facts: Facts): Step {
  if (facts.waits || facts.owes) return wake(state, "wanted", facts);
  return state.kind === "idle" ? sleepOrRest(state, true, boot, facts) : stay(state);
}

/** The way to every dial. */
function dial({ fruitless }: Tries, attempt: number, { clogged }: Facts): Step {
  if (clogged) return to({ kind: "held", fruitless });
  return to({ kind: "waking", attempt, fruitless }, { kind: "dial", fresh: attempt > 0 });
}

function opened({ attempt, fruitless }: WakingState, boot: string, { clogged }: Facts): Step {
  if (clogged) return to({ kind: "held", fruitless }, closing("the client does not read"));
  return to({ kind: "repairing", attempt, boot, fruitless }, { kind: "attach" });
}

function closedUnused(
  state: WakingState,
  { boot, asleep }: { readonly boot: string; readonly asleep: boolean },
  facts: Facts,
): Step {
  const { attempt, fruitless } = state;
  if (facts.waits || facts.owes || (!asleep && facts.follows)) return retry(state, attempt + 1, attempt, 0);
  return sleepOrRest({ fruitless }, asleep, boot, facts);
}

function dialFailed(state: WakingState, event: UpstreamEvent & { kind: "dialFailed" }): Step {
  const { attempt } = state;
  const next = retry(state, attempt + 1, attempt, event.retryAfterMs);
  const tells = event.permanent || attempt === TELL_AFTER;
  return tells ? to(next.state, { kind: "tellTrouble" }, ...next.effects) : next;
}

function lost(state: AttachedState, event: UpstreamEvent & { kind: "lost" | "stalled" }, facts: Facts): Step {
  const tries = { fruitless: facts.used ? 0 : state.fruitless };
  const asleep = event.kind === "lost" && event.asleep;
  const next = asleep ? fellAsleep(tries, state.boot, facts) : broke(tries, state, facts);
  const closed: readonly Effect[] =
    event.kind === "stalled" ? [closing("no sign of life", CLOSE.overloaded)] : [];
  return to(next.state, ...closed, { kind: "markLost" }, ...next.effects);
}

function fellAsleep({ fruitless }: Tries, boot: string, facts: Facts): Step {
  // What waits cannot be left to a watch: nothing would send it.
  if (facts.waits) return retry({ fruitless }, 0, undefined, 0);
  if (facts.owes && fruitless < FRUITLESS_ATTACHES) {
    return retry({ fruitless: fruitless + 1 }, 0, undefined, 0);
  }
  return sleepOrRest({ fruitless }, true, boot, facts);
}

/** Something may have been on its way to the client when the socket broke: only attaching again can tell. */
function broke(tries: Tries, state: AttachedState, facts: Facts): Step {
  if (!facts.follows && !facts.owes && !facts.waits) return to({ kind: "idle", ...tries });
  return state.kind === "repairing"
    ? retry(tries, state.attempt + 1, state.attempt, 0)
    : retry(tries, 0, 0, 0);
}

/** @param pause the attempt whose back-off is waited for; `undefined`: at once */
function retry({ fruitless }: Tries, attempt: number, pause: number | undefined, atLeastMs: number): Step {
  return to({ kind: "waiting", attempt, fruitless }, { kind: "wait", attempt: pause, atLeastMs });
}

function sleepOrRest({ fruitless }: Tries, asleep: boolean, boot: string, { follows }: Facts): Step {
  if (asleep && follows) return to({ kind: "asleep", boot, fruitless }, { kind: "watch", boot });
  return to({ kind: "idle", fruitless });
}

function hold({ fruitless }: AttachedState): Step {
  return to({ kind: "held", fruitless }, closing("the client does not read"), { kind: "markLost" });
}

function letGo({ fruitless }: Tries, facts: Facts): Step {
  if (facts.follows || facts.owes || facts.waits) return dial({ fruitless }, 0, facts);
  return to({ kind: "idle", fruitless });
}

/** What has to be given up with a state. */
function leave(state: UpstreamState, reason: string): readonly Effect[] {
  switch (state.kind) {
    case "waking":
      return [{ kind: "abandonDial" }];
    case "waiting":
      return [{ kind: "stopWaiting" }];
    case "repairing":
    case "open":
      return [closing(reason)];
    case "asleep":
      return [{ kind: "stopWatching" }];
    default:
      return [];
  }
}

function closing(reason: string, code: number = 1000): Effect {
  return { kind: "close", code, reason };
}

function to(state: UpstreamState, ...effects: readonly Effect[]): Step {
  return { state, effects };
}

function stay(state: UpstreamState): Step {
  return to(state);
}
