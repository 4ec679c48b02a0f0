import { LRUCache } from "lru-cache";
import { asHome, type CoValueId, type GroupId, idToHash, isCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { type Clock, systemClock } from "./clock.ts";
import { ShardQueue } from "./shard-queue.ts";

/** What asking the directory brought. Ids in neither part have no home. */
export interface Resolution {
  readonly homes: ReadonlyMap<CoValueId, GroupId>;
  /** Ids whose shard did not answer: nothing is known of them now. */
  readonly unreachable: ReadonlySet<CoValueId>;
}

/** One shard of the directory, as the Durable Object `DirectoryShard` offers it. */
export interface ShardApi {
  /** Homes of those ids that have one. */
  lookup(ids: string[]): Promise<Record<string, string>>;
  /** Adds homes by id; an id that has one keeps it. Returns the homes that count. */
  register(homes: Record<string, string>): Promise<Record<string, string>>;
}

/** How many shards there are. Part of the stored layout: changing it means rebuilding the directory. */
export const DIRECTORY_SHARDS = 16;

/** The name of the shard that holds an id: `dir:v1:<n>`. */
export function shardOf(id: CoValueId): string {
  const [first = 0, second = 0] = idToHash(id);
  return `dir:v1:${(first * 256 + second) % DIRECTORY_SHARDS}`;
}

/** Entries never change (design §3.4), so that all sessions of an isolate share them without a time limit. */
const isolateCache = new LRUCache<CoValueId, GroupId>({ max: LIMITS.directoryCacheEntries });

interface ShardQueues {
  readonly lookups: ShardQueue<CoValueId, undefined>;
  readonly registers: ShardQueue<CoValueId, GroupId>;
}

/**
 * CoValue id → home group. Its methods never throw: a shard that fails or is slow makes its own ids `unreachable`, and
 * no others.
 */
export class Directory {
  readonly #shard: (name: string) => ShardApi;
  readonly #log: Log;
  readonly #clock: Clock;
  readonly #cache: LRUCache<CoValueId, GroupId>;
  readonly #queues = new Map<string, ShardQueues>();

  constructor(deps: {
    shard: (name: string) => ShardApi;
    log: Log;
    cache?: LRUCache<CoValueId, GroupId>;
    clock?: Clock;
  }) {
    this.#shard = deps.shard;
    this.#log = deps.log;
    this.#cache = deps.cache ?? isolateCache;
    this.#clock = deps.clock ?? systemClock;
  }

  /** The home of an id, if this isolate has met it. */
  cached(id: CoValueId): GroupId | undefined {
    return this.#cache.get(id);
  }

  /** Remembers an entry that a shard told about. */
  remember(id: CoValueId, home: GroupId): void {
    this.#cache.set(id, home);
  }

  /** Where ids live: from the cache, the rest with one call per shard. */
  lookup(ids: Iterable<CoValueId>): Promise<Resolution> {
    const entries = new Map([...ids].map((id) => [id, undefined]));
    return this.#ask(entries, ({ lookups }, part) => lookups.ask(part));
  }

  /** Registers homes, one call per shard. The answer holds the homes that count: the first writer's (design §3.3). */
  register(entries: ReadonlyMap<CoValueId, GroupId>): Promise<Resolution> {
    return this.#ask(entries, ({ registers }, part) => registers.ask(part));
  }

  async #ask<Value>(
    entries: ReadonlyMap<CoValueId, Value>,
    call: (queues: ShardQueues, part: Map<CoValueId, Value>) => Promise<Record<string, string>>,
  ): Promise<Resolution> {
    const homes = new Map<CoValueId, GroupId>();
    const unreachable = new Set<CoValueId>();
    const parts = new Map<string, Map<CoValueId, Value>>();
    for (const [id, value] of entries) {
      const home = this.cached(id);
      const name = home ? "" : shardOf(id);
      const part = parts.get(name);
      if (home) homes.set(id, home);
      else if (part) part.set(id, value);
      else parts.set(name, new Map([[id, value]]));
    }
    await Promise.all(
      [...parts].map(async ([name, part]) => {
        try {
          const answer = await call(this.#queuesOf(name), part);
          for (const id of part.keys()) {
            const home = answer[id];
            if (!isCoValueId(home)) continue;
            this.remember(id, asHome(home));
            homes.set(id, asHome(home));
          }
        } catch (error) {
          this.#log.warn(
            { shard: name, ids: part.size, error: String(error) },
            "directory shard did not answer",
          );
          for (const id of part.keys()) unreachable.add(id);
        }
      }),
    );
    return { homes, unreachable };
  }

  #queuesOf(name: string): ShardQueues {
    let queues = this.#queues.get(name);
    if (!queues) {
      const timeoutMs = LIMITS.directoryTimeoutMs;
      queues = {
        lookups: new ShardQueue(
          async (ids) => this.#shard(name).lookup([...ids.keys()]),
          timeoutMs,
          this.#clock.later,
        ),
        registers: new ShardQueue(
          async (homes) => this.#shard(name).register(Object.fromEntries(homes)),
          timeoutMs,
          this.#clock.later,
        ),
      };
      this.#queues.set(name, queues);
    }
    return queues;
  }
}

/**
 * Asks until every shard has answered, or `pause` rejects, as when the session has ended: then something stays
 * unreachable.
 */
export async function lookupPatiently(
  { directory, pause }: { readonly directory: Directory; readonly pause: (attempt: number) => Promise<void> },
  ids: readonly CoValueId[],
): Promise<Resolution> {
  let found = await directory.lookup(ids);
  for (let attempt = 1; found.unreachable.size > 0; attempt++) {
    try {
      await pause(attempt);
    } catch {
      return found;
    }
    found = await directory.lookup(ids);
  }
  return found;
}
