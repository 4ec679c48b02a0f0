import {
  awakeAt,
  type Busyness,
  evaluate,
  type IdleRule,
  type IdleState,
  isBusy,
  onActivity,
  quietMs,
} from "./idle.ts";

/** How often a Sprite looks whether it is idle, at the most. */
const CHECK_MS = 1_000;
/** It goes to sleep by request only after this much idle time: somebody who has just come is about to say something. */
const LEAST_IDLE_MS = 2_000;

export interface IdleClockDeps {
  /** 0 = never. */
  readonly sleepAfterMs: number;
  /** How long a store that does not report keeps it awake; only tests give another time than `idle.ts`. */
  readonly lostStoreMs?: number | undefined;
  readonly busyness: () => Busyness;
  /** Whether it is to be paused from outside, and must not fall asleep by itself. */
  readonly waitsForPause: () => boolean;
  /** Asked when nothing else keeps it awake: whether that is now so. */
  readonly isReady: () => boolean;
}

/** The idleness of one Sprite, by the monotonic clock. Times are milliseconds. */
export class IdleClock {
  readonly #deps: IdleClockDeps;
  #state: IdleState = awakeAt(performance.now());

  constructor(deps: IdleClockDeps) {
    this.#deps = deps;
  }

  /** How often {@link check} has to be called; 0 when it need not be. */
  get checkMs(): number {
    return Math.min(CHECK_MS, this.#deps.sleepAfterMs / 4);
  }

  /** How long there has been nothing to do. */
  get idleMs(): number {
    if (isBusy(this.#deps.busyness())) return 0;
    return Math.round(quietMs(this.#state, performance.now(), this.#rule));
  }

  /** A cojson message either way, or an upgrade. */
  touch(): void {
    this.#state = onActivity(this.#state, performance.now());
  }

  /** A new awake period begins. */
  renew(): void {
    this.#state = awakeAt(performance.now());
  }

  /** @returns true once: when this is the moment to fall asleep. */
  check(): boolean {
    if (this.#state.kind === "asleep") return false;
    const now = performance.now();
    const next = evaluate(this.#state, now, this.#deps.busyness(), this.#rule);
    // Before it refuses anybody: who comes while it is made ready is served as ever.
    if (next.kind === "asleep" && !this.#deps.isReady()) {
      this.#state = { kind: "awake", quietMs: quietMs(this.#state, now, this.#rule), checkedAt: now };
      return false;
    }
    this.#state = next;
    return next.kind === "asleep";
  }

  /** Somebody asks it to sleep. @returns true once: when it was idle long enough for that. */
  yields(): boolean {
    if (this.#state.kind === "asleep" || this.idleMs < LEAST_IDLE_MS || this.#deps.waitsForPause())
      return false;
    this.#state = { kind: "asleep" };
    return true;
  }

  get #rule(): IdleRule {
    const sleepAfterMs = this.#deps.waitsForPause() ? Number.POSITIVE_INFINITY : this.#deps.sleepAfterMs;
    // Where nothing is checked, nothing is missed between checks either.
    const { lostStoreMs } = this.#deps;
    return {
      sleepAfterMs,
      lostStoreMs,
      stepMs: sleepAfterMs === 0 ? Number.POSITIVE_INFINITY : 2 * this.checkMs,
    };
  }
}
