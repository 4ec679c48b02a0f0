import { LRUCache } from "lru-cache";
import type { Digest, DigestRecord } from "../shared/digest.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import type { GroupId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import { withTimeout } from "../shared/timeout.ts";
import type { AwakePeriod } from "./awake-periods.ts";
import { type Clock, systemClock } from "./clock.ts";
import type { Position } from "./regions.ts";
import { unwrapReply } from "./reply.ts";
import type { CoordinatorApi, FreshPlace, SpritePlace } from "./sprite-place.ts";

/** Shared by all sessions of an isolate. Only plain values: promises belong to the request that made them. */
const isolatePlaces = new LRUCache<GroupId, SpritePlace>({ max: LIMITS.locatorCacheEntries });
const isolateFlights = new Map<GroupId, Promise<SpritePlace>>();

export interface LocatorDeps {
  readonly coordinator: (home: GroupId) => CoordinatorApi;
  /** Addresses that any coordinator has written; may be a minute old or missing, is never proof of anything. */
  readonly kv: { get(key: string, options: { type: "json"; cacheTtl: number }): Promise<unknown> };
  /** Whether a place is no use, because dialling it would wake a Sprite that its fleet has to bring up to date first. */
  readonly isOutdated?: (home: GroupId, place: SpritePlace) => boolean;
  /** Where the session's browser is. */
  readonly near?: Position | undefined;
  /** The edge's session id, for the coordinator's log. */
  readonly session?: string;
  readonly places?: LRUCache<GroupId, SpritePlace>;
  readonly flights?: Map<GroupId, Promise<SpritePlace>>;
  readonly clock?: Clock;
}

/** Finds Sprites: the isolate's cache → one flight for each Sprite → KV → its coordinator (design §6). */
export class Locator {
  readonly #coordinator: LocatorDeps["coordinator"];
  readonly #kv: LocatorDeps["kv"];
  readonly #places: LRUCache<GroupId, SpritePlace>;
  readonly #flights: Map<GroupId, Promise<SpritePlace>>;
  readonly #clock: Clock;
  readonly #near: Position | undefined;
  readonly #session: string | undefined;
  readonly #isOutdated: (home: GroupId, place: SpritePlace) => boolean;
  readonly #own = new Map<GroupId, Promise<SpritePlace>>();
  readonly #ended = Promise.withResolvers<never>();

  constructor(deps: LocatorDeps) {
    this.#coordinator = deps.coordinator;
    this.#kv = deps.kv;
    this.#places = deps.places ?? isolatePlaces;
    this.#flights = deps.flights ?? isolateFlights;
    this.#clock = deps.clock ?? systemClock;
    this.#near = deps.near;
    this.#session = deps.session;
    this.#isOutdated = deps.isOutdated ?? (() => false);
    // Nobody may be listening when the session ends.
    this.#ended.promise.catch(() => undefined);
  }

  /**
   * Where the Sprite of `home` is. It may have to be created or woken for that.
   * @param fresh the cached address did not work: ask the coordinator, which checks with the fleet.
   * @throws SpriteSyncError of a fleet kind, or `transient`.
   */
  async locate(home: GroupId, fresh: boolean): Promise<SpritePlace | FreshPlace> {
    if (fresh) this.#places.delete(home);
    const cached = this.#places.get(home);
    if (cached && !this.#isOutdated(home, cached)) return cached;
    const underway = this.#flights.get(home);
    // Whoever asks itself instead ends in the coordinator's flight.
    if (underway) return this.#limited(underway, LIMITS.joinFlightMs).catch(() => this.#ask(home, fresh));
    const flight = Promise.race([this.#find(home, fresh), this.#ended.promise]);
    this.#flights.set(home, flight);
    this.#own.set(home, flight);
    try {
      return await flight;
    } finally {
      this.#land(home, flight);
    }
  }

  /**
   * The session ends. What it has under way will never settle, because workerd drops the rest of a request whose client
   * has left; other sessions that joined are told to ask for themselves.
   */
  end(): void {
    this.#ended.reject(new SpriteSyncError("transient", "the session that asked has ended"));
    for (const [home, flight] of this.#own) this.#land(home, flight);
  }

  #land(home: GroupId, flight: Promise<SpritePlace>): void {
    if (this.#flights.get(home) === flight) this.#flights.delete(home);
    if (this.#own.get(home) === flight) this.#own.delete(home);
  }

  /**
   * Reports the awake period that a dial met. Until this resolves, sessions that watch may not have been told.
   * @throws SpriteSyncError `transient`: the coordinator has heard of a later one. Asked afresh, it leads there.
   */
  async met(home: GroupId, place: SpritePlace, period: AwakePeriod): Promise<void> {
    // Meanwhile another session of this isolate may have reported the same.
    const known = this.#places.get(home)?.boot ?? place.boot;
    if (known !== period.boot) {
      const answer = await this.#coordinator(home).met(period, this.#session);
      if (answer?.overtaken) {
        throw new SpriteSyncError("transient", `awake period ${period.number} of ${home} is not the newest`);
      }
    }
    this.#remember(home, { ...place, boot: period.boot });
  }

  /** Hands a Sprite's digest to its coordinator. If that fails, clients will wake the Sprite without need; no more. */
  async fellAsleep(home: GroupId, boot: string, digest: Digest): Promise<void> {
    try {
      await this.#coordinator(home).fellAsleep(boot, digest);
    } catch {
      // Not there, or of an older version.
    }
  }

  /**
   * Whether a sleeping Sprite has exactly what `records` were made from.
   * @returns the awake period that ended, to be watched; `undefined` when nobody but the Sprite can tell.
   */
  async unchanged(home: GroupId, records: readonly DigestRecord[]): Promise<string | undefined> {
    try {
      const asked = this.#coordinator(home).unchanged(records);
      return (await this.#limited(asked, LIMITS.unchangedTimeoutMs)) ?? undefined;
    } catch {
      // Not there, or of an older version.
      return undefined;
    }
  }

  #remember(home: GroupId, { url, headers, boot, region, image }: SpritePlace): void {
    this.#places.set(home, { url, headers, boot, ...(region && { region }), ...(image && { image }) });
  }

  async #find(home: GroupId, fresh: boolean): Promise<SpritePlace> {
    const known = fresh ? undefined : await this.#fromKv(home);
    if (!known) return this.#ask(home, fresh);
    this.#remember(home, known);
    return known;
  }

  async #ask(home: GroupId, fresh: boolean): Promise<FreshPlace> {
    const asked = this.#coordinator(home).locate(home, fresh, this.#near, this.#session);
    const place = unwrapReply(await this.#limited(asked, LIMITS.locateTimeoutMs));
    this.#remember(home, place);
    return place;
  }

  /** @throws SpriteSyncError `transient` when it takes longer than `ms`. */
  #limited<T>(promise: Promise<T>, ms: number): Promise<T> {
    const error = new SpriteSyncError("transient", `the Sprite could not be located within ${ms} ms`);
    return withTimeout(promise, ms, error, this.#clock.later);
  }

  async #fromKv(home: GroupId): Promise<SpritePlace | undefined> {
    try {
      const value = await this.#kv.get(home, { type: "json", cacheTtl: LIMITS.kvCacheTtlSeconds });
      return isPlace(value) && !this.#isOutdated(home, value) ? value : undefined;
    } catch {
      // KV is a hint: without it the coordinator answers.
      return undefined;
    }
  }
}

function isPlace(value: unknown): value is SpritePlace {
  const place = value as Partial<SpritePlace> | null;
  return typeof place?.url === "string" && typeof place.headers === "object";
}
