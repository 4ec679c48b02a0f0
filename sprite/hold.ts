import type { Log } from "../shared/log.ts";
import type { GuestApi } from "./guest-api.ts";

/** Name of our task; lower case, digits and dashes only. */
const TASK = "flush";
/** How long a hold lasts if this process ends without a word: a Sprite that is held is billed. */
export const HOLD_SECONDS = 120;
export const REFRESH_MS = 60_000;
/**
 * A store that fails never reports (cojson's `StorageAPI.store`), so that what stays pending for this long is lost, and
 * holds nothing any more.
 */
export const HOLD_MAX_MS = 5 * 60_000;

/**
 * - `free`: nothing is held.
 * - `held`: `since` = when something began to be pending, `asked` = when the runtime was told last.
 * - `spent`: it was held for as long as a store may take, and what is pending has not become less since.
 */
export type HoldState =
  | { readonly kind: "free" }
  | { readonly kind: "held"; readonly since: number; readonly asked: number }
  | { readonly kind: "spent" };

export type HoldAction = "hold" | "release" | undefined;

/** What the state becomes at `now` (ms, monotonic) with `pending` stores not on disk, and what the runtime must be told. */
export function evaluateHold(
  state: HoldState,
  now: number,
  pending: number,
): { state: HoldState; action: HoldAction } {
  if (pending === 0)
    return { state: { kind: "free" }, action: state.kind === "held" ? "release" : undefined };
  if (state.kind === "free") return { state: { kind: "held", since: now, asked: now }, action: "hold" };
  if (state.kind === "spent") return { state, action: undefined };
  if (now - state.since >= HOLD_MAX_MS) return { state: { kind: "spent" }, action: "release" };
  if (now - state.asked < REFRESH_MS) return { state, action: undefined };
  return { state: { ...state, asked: now }, action: "hold" };
}

/**
 * Keeps a Fly Sprite from being paused while something is not on disk yet. Its platform pauses it 30 s after the last
 * connection has gone, whatever it computes or writes (facts/fly-sprites §4). {@link check} is to be called about every second:
 * most stores are faster, and then nobody is bothered.
 */
export class Hold {
  readonly #api: GuestApi;
  readonly #log: Log;
  #state: HoldState = { kind: "free" };
  #call: Promise<void> = Promise.resolve();

  constructor(api: GuestApi, log: Log) {
    this.#api = api;
    this.#log = log;
  }

  check(pending: number): void {
    const { state, action } = evaluateHold(this.#state, performance.now(), pending);
    this.#state = state;
    if (!action) return;
    // One after the other: a release must not overtake the hold before it.
    this.#call = this.#call
      .then(() => (action === "hold" ? this.#api.hold(TASK, HOLD_SECONDS) : this.#api.release(TASK)))
      // The next check comes soon; and what is lost by a pause was not acknowledged.
      .catch((error: unknown) => this.#log.warn({ error: String(error) }, "cannot hold the Sprite awake"));
  }

  /** Lets go; resolves when the runtime knows. */
  async close(): Promise<void> {
    this.check(0);
    await this.#call;
  }
}
