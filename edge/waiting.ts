import type { ErrorCode } from "../shared/errors.ts";
import type { GroupId } from "../shared/ids.ts";

/** Kinds of a fleet's errors that are no failure: the group gets its Sprite when there is room, or it is its turn. */
export const WAITING_KINDS = ["capacity", "rate"] as const satisfies readonly ErrorCode[];
export type WaitingKind = (typeof WAITING_KINDS)[number];

/** One group that waits. */
export interface WaitingGroup {
  readonly kind: WaitingKind;
  /** Who founded it, where that is known. */
  readonly client?: string | undefined;
  /** When it was refused first, and until when it will have asked again; milliseconds since the epoch. */
  readonly since: number;
  readonly expires: number;
}

export interface WaitingReport {
  /** Groups that wait for room: a running slot of the plan, a full region. */
  readonly capacity: number;
  /** Groups that wait for their turn below a rate limit, such as that of creations. */
  readonly rate: number;
  readonly longestMs: number;
}

/** A group that has not asked again for this long after its time has no clients any more. */
const GIVEN_UP_MS = 60_000;
/** How far the next in line is behind the one before: those who came first ask first. */
const STEP_MS: Readonly<Record<WaitingKind, number>> = { capacity: 1_000, rate: 250 };
const LONGEST_STEPS_MS = 30_000;

export function isWaitingKind(code: string): code is WaitingKind {
  return (WAITING_KINDS as readonly string[]).includes(code);
}

/**
 * The line of groups that wait for their fleet.
 *
 * 1. A group is in it from its first refusal until it is admitted, fails in another way, or asks no more.
 * 2. Who waits for longer is told to come back sooner.
 */
export class Waiting {
  readonly #groups: Map<GroupId, WaitingGroup>;

  /** @param groups those of an earlier one. */
  constructor(groups: Iterable<readonly [GroupId, WaitingGroup]> = []) {
    this.#groups = new Map(groups);
  }

  get homes(): ReadonlySet<GroupId> {
    return new Set(this.#groups.keys());
  }

  /**
   * A group was refused.
   * @param retryAfterMs what the fleet says when to ask again.
   * @returns when this group shall do so, and its entry.
   */
  refused(
    home: GroupId,
    kind: WaitingKind,
    retryAfterMs: number,
    now: number,
    client?: string,
  ): { readonly retryAfterMs: number; readonly group: WaitingGroup } {
    const since = this.#groups.get(home)?.since ?? now;
    const ahead = [...this.#groups].filter(
      ([other, group]) =>
        other !== home &&
        group.kind === kind &&
        group.since <= since &&
        // Nobody waits for another client's many groups to have their turns.
        (kind === "capacity" || group.client === client),
    ).length;
    const pause = retryAfterMs + Math.min(ahead * STEP_MS[kind], LONGEST_STEPS_MS);
    const group = { kind, client, since, expires: now + pause + GIVEN_UP_MS };
    this.#groups.set(home, group);
    return { retryAfterMs: pause, group };
  }

  /** A group got what it waited for, or failed otherwise. @returns how long it waited, milliseconds. */
  ended(home: GroupId, now: number): number | undefined {
    const since = this.#groups.get(home)?.since;
    this.#groups.delete(home);
    return since === undefined ? undefined : now - since;
  }

  /** Forgets those that ask no more. @returns them. */
  expire(now: number): GroupId[] {
    const gone = [...this.#groups].filter(([, { expires }]) => expires <= now).map(([home]) => home);
    for (const home of gone) this.#groups.delete(home);
    return gone;
  }

  report(now: number): WaitingReport {
    const groups = [...this.#groups.values()];
    const count = (kind: WaitingKind) => groups.filter((group) => group.kind === kind).length;
    const longestMs = groups.reduce((longest, { since }) => Math.max(longest, now - since), 0);
    return { capacity: count("capacity"), rate: count("rate"), longestMs };
  }
}
