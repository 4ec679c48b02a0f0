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
  /** Where it runs, as the fleet answered (never as it was asked). */
  readonly region: string;
  readonly state: SpriteState;
  readonly image: string;
}

/** How the edge reaches a Sprite: `fetch(url + path, { headers })`, over http(s) also for WebSocket upgrades. */
export interface SpriteAddress {
  /** Origin without a trailing slash, `https://…` or (local fleet) `http://…`. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface SpriteSpec {
  readonly home: GroupId;
  /** Regions in order of preference; the fleet takes the first that has room. */
  readonly regions: readonly string[];
}

/**
 * Where Sprites run. Every method throws a `SpriteSyncError` of kind quota, rate (with `retryAfterMs`), capacity,
 * auth, gone or transient, or `config-invalid` when the platform refuses our request as such (an image that does not
 * exist, an impossible guest), and nothing else. All of them may be called again after any failure.
 */
export interface Fleet {
  /** The Sprite of a home, or `undefined` when there surely is none. */
  find(home: GroupId): Promise<SpriteRecord | undefined>;
  /** Creates the Sprite, or adopts the one that exists already: two calls at once end in one Sprite and one disk. */
  ensure(spec: SpriteSpec): Promise<SpriteRecord>;
  /** Resolves when the host runs. It may still not listen: readiness is a WebSocket hello, never a status. */
  wake(sprite: SpriteRecord): Promise<SpriteRecord>;
  address(sprite: SpriteRecord): SpriteAddress;
  /** Asks the host to stop, for operators: a Sprite normally falls asleep by itself. */
  sleep(sprite: SpriteRecord): Promise<void>;
  /** Removes the Sprite and its disk for ever. */
  destroy(sprite: SpriteRecord): Promise<void>;
  list(): Promise<SpriteRecord[]>;
}
