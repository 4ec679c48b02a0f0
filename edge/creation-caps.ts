import type { GroupId } from "../shared/ids.ts";

/** Whose new Sprites one cap counts, and in which time. */
export const CAPS = ["client-hour", "client-day", "key-hour", "key-day", "hour", "day", "total"] as const;
export type Cap = (typeof CAPS)[number];
/** How many new Sprites each cap allows; 0: any number. */
export type CapLimits = Readonly<Record<Cap, number>>;

/** Who wants a new Sprite: what clients are counted by, and the API key that it came with, where keys are asked for. */
export interface Founder {
  readonly client: string;
  readonly key?: string | undefined;
}

export interface CapRefusal {
  readonly cap: Cap;
  readonly limit: number;
  /** When the window ends; milliseconds from now. */
  readonly retryAfterMs: number;
}

/** What the caps must not forget. */
export interface CapStore {
  made(counter: string): number;
  /** Adds one to a counter that may be forgotten at `ends`, milliseconds since the epoch. */
  add(counter: string, ends: number): void;
  isFounded(home: GroupId): boolean;
  setFounded(home: GroupId, client: string, ends: number): void;
  forgetBefore(now: number): void;
}

/** What the operator is shown; no client's name. */
export interface CapsReport {
  readonly hour: CapUse;
  readonly day: CapUse;
  readonly total: CapUse;
  /** Refusals in this hour, whatever the cap. */
  readonly refused: number;
  /** The caps that refused somebody in this hour. */
  readonly reached: readonly Cap[];
}
interface CapUse {
  readonly made: number;
  readonly limit: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;
/** The total is never forgotten. */
const NEVER = Number.MAX_SAFE_INTEGER;

/**
 * Counts new Sprites, for the whole deployment, in hours and days of the clock.
 *
 * 1. A Sprite is counted with all caps or with none, and once, however often its home is asked for within a day.
 * 2. Nothing is kept but in `store`.
 */
export class CreationCaps {
  readonly #store: CapStore;
  #tidiedHour = -1;

  constructor(store: CapStore) {
    this.#store = store;
  }

  /** Counts one more, unless a cap is reached. @returns that cap. */
  take(home: GroupId, founder: Founder, limits: CapLimits, now: number): CapRefusal | undefined {
    const hour = Math.floor(now / HOUR_MS);
    if (hour !== this.#tidiedHour) this.#store.forgetBefore(now);
    this.#tidiedHour = hour;
    if (this.#store.isFounded(home)) return undefined;
    const counters = CAPS.flatMap((cap) => counterOf(cap, founder, now) ?? []);
    for (const { cap, name, ends } of counters) {
      const limit = limits[cap];
      if (limit === 0 || this.#store.made(name) < limit) continue;
      this.#store.add(refusalsOf(cap, hour), (hour + 1) * HOUR_MS);
      return { cap, limit, retryAfterMs: Math.min(ends - now, DAY_MS) };
    }
    for (const { name, ends } of counters) this.#store.add(name, ends);
    this.#store.setFounded(home, founder.client, now + DAY_MS);
    return undefined;
  }

  report(limits: CapLimits, now: number): CapsReport {
    const hour = Math.floor(now / HOUR_MS);
    const use = (cap: "hour" | "day" | "total"): CapUse => {
      const counter = counterOf(cap, { client: "" }, now);
      return { made: counter ? this.#store.made(counter.name) : 0, limit: limits[cap] };
    };
    const refusals = CAPS.map((cap) => [cap, this.#store.made(refusalsOf(cap, hour))] as const);
    return {
      hour: use("hour"),
      day: use("day"),
      total: use("total"),
      refused: refusals.reduce((sum, [, count]) => sum + count, 0),
      reached: refusals.filter(([, count]) => count > 0).map(([cap]) => cap),
    };
  }
}

interface Counter {
  readonly cap: Cap;
  readonly name: string;
  readonly ends: number;
}

function counterOf(cap: Cap, { client, key }: Founder, now: number): Counter | undefined {
  if (cap === "total") return { cap, name: cap, ends: NEVER };
  if (cap.startsWith("key") && key === undefined) return undefined;
  const windowMs = cap.endsWith("hour") ? HOUR_MS : DAY_MS;
  const window = Math.floor(now / windowMs);
  const who = cap.startsWith("client") ? client : cap.startsWith("key") ? key : "all";
  return { cap, name: `${cap} ${window} ${who}`, ends: (window + 1) * windowMs };
}

function refusalsOf(cap: Cap, hour: number): string {
  return `refused ${cap} ${hour}`;
}

/** @returns a sentence for the client that has to wait: whose cap it is, and that nothing is lost. */
export function sayRefusal({ cap, limit }: CapRefusal): string {
  const whose = cap.startsWith("client")
    ? "your network or user"
    : cap.startsWith("key")
      ? "the users of this API key"
      : "all clients together";
  const time = cap.endsWith("hour") ? " an hour" : cap.endsWith("day") ? " a day" : "";
  return `this server lets ${whose} make ${limit} new groups${time}: yours are kept by your app and stored later`;
}
