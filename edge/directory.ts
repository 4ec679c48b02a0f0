import { LRUCache } from "lru-cache";
import { asHome, type CoValueId, type GroupId, idToHash, isCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";

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
  const hash = idToHash(id);
  // An id whose hash has another length than cojson's can be asked for and is never registered; any shard may say so.
  return `dir:v1:${((hash?.[0] ?? 0) * 256 + (hash?.[1] ?? 0)) % DIRECTORY_SHARDS}`;
}

/** Entries never change (design §3.4), so that all sessions of an isolate share them without a time limit. */
const isolateCache = new LRUCache<CoValueId, GroupId>({ max: LIMITS.directoryCacheEntries });

/**
 * CoValue id → home group. Its methods never throw: a shard that fails or is slow makes its own ids `unreachable`, and
 * no others.
 */
export class Directory {
  readonly #shard: (name: string) => ShardApi;
  readonly #log: Log;
  readonly #cache: LRUCache<CoValueId, GroupId>;

  constructor(deps: { shard: (name: string) => ShardApi; log: Log; cache?: LRUCache<CoValueId, GroupId> }) {
    this.#shard = deps.shard;
    this.#log = deps.log;
    this.#cache = deps.cache ?? isolateCache;
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
    return this.#ask(new Set(ids), (shard, part) => shard.lookup(part));
  }

  /** Registers homes, one call per shard. The answer holds the homes that count: the first writer's (design §3.3). */
  register(entries: ReadonlyMap<CoValueId, GroupId>): Promise<Resolution> {
    return this.#ask(entries.keys(), (shard, part) =>
      shard.register(Object.fromEntries(part.map((id) => [id, entries.get(id) ?? id]))),
    );
  }

  async #ask(
    ids: Iterable<CoValueId>,
    call: (shard: ShardApi, part: CoValueId[]) => Promise<Record<string, string>>,
  ): Promise<Resolution> {
    const homes = new Map<CoValueId, GroupId>();
    const unreachable = new Set<CoValueId>();
    const parts = new Map<string, CoValueId[]>();
    for (const id of ids) {
      const home = this.cached(id);
      const part = home ? undefined : parts.get(shardOf(id));
      if (home) homes.set(id, home);
      else if (part) part.push(id);
      else parts.set(shardOf(id), [id]);
    }
    await Promise.all(
      [...parts].map(async ([name, part]) => {
        try {
          const answer = await withTimeout(call(this.#shard(name), part), LIMITS.directoryTimeoutMs);
          for (const [id, home] of Object.entries(answer)) {
            if (!isCoValueId(id) || !isCoValueId(home)) continue;
            this.remember(id, asHome(home));
            homes.set(id, asHome(home));
          }
        } catch (error) {
          this.#log.warn(
            { shard: name, ids: part.length, error: String(error) },
            "directory shard did not answer",
          );
          for (const id of part) unreachable.add(id);
        }
      }),
    );
    return { homes, unreachable };
  }
}

function withTimeout<T>(promise: Promise<T>, ms: number): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
