import type { RateLimiter } from "./client-limits.ts";
import type { Coordinator } from "./coordinator.ts";
import type { DirectoryShard } from "./directory-shard.ts";
import type { FlyQueue } from "./fly-queue.ts";
import type { WaitingRoom } from "./waiting-room.ts";

/** The Worker's bindings and variables, as wrangler.toml declares them. Variables are read by `parseConfig` only. */
export interface Env {
  readonly DIRECTORY: DurableObjectNamespace<DirectoryShard>;
  readonly COORDINATOR: DurableObjectNamespace<Coordinator>;
  readonly FLY_QUEUE: DurableObjectNamespace<FlyQueue>;
  readonly WAITING_ROOM: DurableObjectNamespace<WaitingRoom>;
  readonly ADDRESSES: KVNamespace;
  readonly ASSETS: Fetcher;
  /** New sessions, and new Sprites, that one client may have; without the binding there is no limit. */
  readonly NEW_SESSIONS?: RateLimiter;
  readonly NEW_SPRITES?: RateLimiter;
  readonly [variable: string]: unknown;
}
