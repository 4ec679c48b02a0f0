/** What the Sprite sees of itself, each a reason to stay awake while it is not zero. */
export interface Busyness {
  /** Stores that have begun and are not on disk, and loads that the disk has not answered. */
  readonly pendingOnDisk: number;
  /** Messages that the node has not taken up. */
  readonly queued: number;
  /** Upstreams with something queued or waiting. */
  readonly busyUpstreams: number;
  /** Upgrades being checked. */
  readonly upgrades: number;
}

/**
 * - `awake`: `quietMs` = how long nothing has happened, as of `checkedAt`.
 * - `asleep`: the decision to sleep was taken; final. The close frames follow.
 */
export type IdleState =
  | { readonly kind: "awake"; readonly quietMs: number; readonly checkedAt: number }
  | { readonly kind: "asleep" };

/** How long it takes to fall asleep. */
export interface IdleRule {
  /** 0 = never. */
  readonly sleepAfterMs: number;
  /**
   * The most that one check counts as quiet. A process that was stopped, or a host that was paused, could not hear what
   * happened: that time proves nothing, and messages may wait in the sockets.
   */
  readonly stepMs: number;
  /** {@link LOST_STORE_MS} unless given. */
  readonly lostStoreMs?: number | undefined;
}

/**
 * A store that fails never reports (cojson's `StorageAPI.store`), so what is pending on the disk keeps a Sprite awake only
 * this long after the last activity. What it held was not acknowledged, so its writers still have it.
 */
const LOST_STORE_MS = 60_000;

/** The state of a process that starts at `now`. */
export function awakeAt(now: number): IdleState {
  return { kind: "awake", quietMs: 0, checkedAt: now };
}

/**
 * What the state becomes at `now` (ms, monotonic). Falls asleep after `sleepAfterMs` without activity, and only when
 * everything was said and stored.
 */
export function evaluate(state: IdleState, now: number, busy: Busyness, rule: IdleRule): IdleState {
  if (state.kind === "asleep" || rule.sleepAfterMs === 0) return state;
  if (busy.upgrades > 0 || busy.busyUpstreams > 0 || busy.queued > 0) return awakeAt(now);
  const quiet = quietMs(state, now, rule);
  const lostStoreMs = rule.lostStoreMs ?? LOST_STORE_MS;
  const needed = busy.pendingOnDisk > 0 ? rule.sleepAfterMs + lostStoreMs : rule.sleepAfterMs;
  return quiet >= needed ? { kind: "asleep" } : { kind: "awake", quietMs: quiet, checkedAt: now };
}

/** How long nothing has happened, as of `now`; 0 when asleep. */
export function quietMs(state: IdleState, now: number, { stepMs }: IdleRule): number {
  return state.kind === "asleep" ? 0 : state.quietMs + Math.min(now - state.checkedAt, stepMs);
}

export function isBusy({ pendingOnDisk, queued, busyUpstreams, upgrades }: Busyness): boolean {
  return pendingOnDisk + queued + busyUpstreams + upgrades > 0;
}

/** Activity at `now`: a cojson message either way, or an upgrade. Nothing wakes it once it sleeps. */
export function onActivity(state: IdleState, now: number): IdleState {
  return state.kind === "awake" ? awakeAt(now) : state;
}
