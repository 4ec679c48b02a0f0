import type { ErrorCode } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import type { SpriteName } from "../../shared/sprite-name.ts";

/** What a Sprite's host does at the moment. Every state a fleet does not list here maps to `moving`. */
export type SpriteState = "running" | "asleep" | "moving" | "failed" | "gone";

/** One Sprite as its fleet knows it. */
export interface SpriteRecord {
  readonly name: SpriteName;
  readonly home: GroupId;
  /** The fleet's own id: a Fly Machine id, a Fly Sprite id. Survives sleep; a new one means a new, empty disk. */
  readonly id: string;
  /** Where it runs, as the fleet answered (never as it was asked); "" when it does not say. */
  readonly region: string;
  readonly state: SpriteState;
  /** What it runs, an image or a release; "" when that cannot be known without waking it. */
  readonly image: string;
  /** Its own public origin, where each Sprite has one. */
  readonly url?: string;
}

/**
 * How the edge reaches a Sprite: `fetch(url + path, { headers })`, over http(s) also for WebSocket upgrades.
 * An address is kept in KV and in caches, so it holds no secret: those are {@link Fleet.credentials}.
 */
export interface SpriteAddress {
  /** Origin, or origin and path, without a trailing slash: `https://…` or (local fleet) `http://…`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface SpriteSpec {
  readonly home: GroupId;
  /** Regions in order of preference; the fleet takes the first that has room, if it lets us choose at all. */
  readonly regions: readonly string[];
  /** Disks that must not be used, by the fleet's ids: a copy that is not complete, or what a move left behind. */
  readonly without?: readonly string[];
}

/** What came of making room. */
export interface RoomReport {
  /** How many Sprites run, and how many the plan allows, where the platform says so. */
  readonly running: number | undefined;
  readonly limit: number | undefined;
  /** The Sprite that went to sleep for it; `undefined` when none was idle. */
  readonly asleep: SpriteName | undefined;
}

/**
 * What can go wrong with a fleet, and what whoever called does about it:
 *
 * | kind | meaning | caller |
 * |---|---|---|
 * | `quota` | the organization may not have more of it | tells the operator; asks again much later |
 * | `rate` | too many calls; `retryAfterMs` says when | waits that long |
 * | `capacity` | no room now: a full region, the plan's running cap | waits (`retryAfterMs` if known): it has not failed |
 * | `auth` | the token is wrong or may not do this | tells the operator; asks again much later |
 * | `gone` | this Sprite does not exist any more, or its disk was replaced by an empty one | forgets its record, calls `ensure` |
 * | `transient` | anything that may pass | tries again with growing pauses |
 * | `config-invalid` | the platform refuses the request as such: an image that does not exist, an impossible guest | tells the operator |
 */
export const FLEET_ERROR_KINDS = [
  "quota",
  "rate",
  "capacity",
  "auth",
  "gone",
  "transient",
  "config-invalid",
] as const satisfies readonly ErrorCode[];

/**
 * Where Sprites run. Every method throws a `SpriteSyncError` of one of {@link FLEET_ERROR_KINDS}, and nothing else. All of
 * them may be called again after any failure.
 */
export interface Fleet {
  /** The Sprite of a home, or `undefined` when there surely is none. Wakes nothing. */
  find(home: GroupId): Promise<SpriteRecord | undefined>;
  /** Creates the Sprite, or adopts the one that exists already: two calls at once end in one Sprite and one disk. */
  ensure(spec: SpriteSpec): Promise<SpriteRecord>;
  /** Resolves when the host runs. It may still not listen: readiness is a WebSocket hello, never a status. */
  wake(sprite: SpriteRecord): Promise<SpriteRecord>;
  /**
   * Whether the next `wake` would give it another image, or its address is of another configuration: then it must not be
   * woken behind the fleet's back, by that address. Left out by fleets that bring their Sprites up to date in another way.
   */
  isOutdated?(sprite: Pick<SpriteRecord, "name" | "image" | "url">): boolean;
  address(sprite: SpriteRecord): SpriteAddress;
  /**
   * Secret headers for one request to an address, to be added when it is dialled and kept nowhere.
   * @throws SpriteSyncError `auth` for an address that is not the fleet's: it may have been put into a cache by somebody else.
   */
  credentials(address: Pick<SpriteAddress, "url">): Readonly<Record<string, string>>;
  /** Asks the host to stop, for operators: a Sprite normally falls asleep by itself. */
  sleep(sprite: SpriteRecord): Promise<void>;
  /** Removes the Sprite and its disk for ever. */
  destroy(sprite: SpriteRecord): Promise<void>;
  list(): Promise<SpriteRecord[]>;
  /**
   * Told what version a running Sprite says in its hello: replaces its server if the fleet would install another one now.
   * Nothing is replaced while something is not on its disk yet.
   * Only where servers are replaced inside of a host that stays; elsewhere `wake` does it.
   * @returns whether it was another version.
   */
  upgrade?(sprite: SpriteRecord, version: string): Promise<boolean>;
  /**
   * Asks the least recently active idle Sprite to sleep, because the plan's running cap keeps others from waking.
   * Only where there is such a cap.
   * @param wanted homes that wait; theirs are left alone.
   */
  makeRoom?(wanted: ReadonlySet<GroupId>): Promise<RoomReport>;
}
