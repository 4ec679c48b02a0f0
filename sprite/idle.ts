/** What the Sprite sees of itself, each a reason to stay awake while it is not zero. */
export interface Busyness {
  /** Stores that have begun and are not on disk. */
  readonly pendingStores: number;
  /** Upstreams with something queued or waiting. */
  readonly busyUpstreams: number;
  /** Upgrades being checked. */
  readonly upgrades: number;
}

/**
 * - `awake`: `since` = last activity.
 * - `asleep`: the decision to sleep was taken; final. The close frames follow in the same run.
 */
export type IdleState = { readonly kind: "awake"; readonly since: number } | { readonly kind: "asleep" };

/**
 * A store that fails never reports (cojson's `StorageAPI.store`), so pending stores keep a Sprite awake only this long
 * after the last activity. What they held was not acknowledged, so its writers still have it.
 */
const LOST_STORE_MS = 60_000;

/**
 * What the state becomes at `now` (ms, monotonic). Falls asleep after `sleepAfterMs` without activity, and only when
 * everything was said and stored; `sleepAfterMs` 0 = never.
 */
export function evaluate(state: IdleState, now: number, busy: Busyness, sleepAfterMs: number): IdleState {
  if (state.kind === "asleep" || sleepAfterMs === 0) return state;
  const quietMs = now - state.since;
  if (busy.upgrades > 0 || busy.busyUpstreams > 0) return { kind: "awake", since: now };
  if (busy.pendingStores > 0 && quietMs < sleepAfterMs + LOST_STORE_MS) return state;
  return quietMs >= sleepAfterMs ? { kind: "asleep" } : state;
}

/** Activity at `now`: a cojson message either way, or an upgrade. Nothing wakes it once it sleeps. */
export function onActivity(state: IdleState, now: number): IdleState {
  return state.kind === "awake" ? { kind: "awake", since: now } : state;
}
