import { asHome, type CoValueId, type GroupId, isCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import { shardOf } from "./directory.ts";
import { Hotline, type HotlineDeps } from "./hotline.ts";
import { ShardQueue } from "./shard-queue.ts";

export interface WantsDeps {
  readonly connect: (shard: string) => ReturnType<HotlineDeps["connect"]>;
  readonly onPlaced: (id: CoValueId, home: GroupId) => void;
  readonly pause: (attempt: number) => Promise<void>;
}

interface Shard {
  readonly ids: Set<CoValueId>;
  /** What the line was not opened with, a few messages at a time: each is a transaction of the shard. */
  readonly later: ShardQueue<CoValueId, undefined>;
  readonly line: Hotline;
}

/**
 * The ids without a home that a session's client waits for: one hotline to each shard that is asked. A shard keeps them in
 * memory only. They are told again when the line was opened again, and when the shard says that it forgot.
 */
export class Wants {
  readonly #deps: WantsDeps;
  readonly #shards = new Map<string, Shard>();

  constructor(deps: WantsDeps) {
    this.#deps = deps;
  }

  add(id: CoValueId): void {
    const name = shardOf(id);
    const known = this.#shards.get(name);
    if (!known) this.#shards.set(name, this.#open(name, new Set([id])));
    else if (!known.ids.has(id)) {
      known.ids.add(id);
      // A line that is down loses nothing: it asks for all ids when it opens again.
      known.later.ask([[id, undefined]]).catch(() => undefined);
    }
  }

  #open(name: string, ids: Set<CoValueId>): Shard {
    const line = new Hotline({
      connect: () => this.#deps.connect(name),
      onOpen: (send) => send(wantMessage(ids)),
      onMessage: (text) => {
        if (!isForgotten(text)) this.#placed(ids, text);
        else void later.ask([...ids].map((id) => [id, undefined]));
      },
      pause: this.#deps.pause,
    });
    const later = new ShardQueue<CoValueId, undefined>(async (more) => {
      line.send(wantMessage(more.keys()));
      return {};
    }, LIMITS.directoryTimeoutMs);
    return { ids, later, line };
  }

  close(): void {
    for (const { line } of this.#shards.values()) line.close();
  }

  #placed(ids: Set<CoValueId>, text: string): void {
    const { placed, home } = JSON.parse(text) as { placed?: unknown; home?: unknown };
    if (isCoValueId(placed) && isCoValueId(home) && ids.delete(placed))
      this.#deps.onPlaced(placed, asHome(home));
  }
}

/** The shard was out of memory, hibernating, or others had to have room: it has forgotten what was said on this line. */
function isForgotten(text: string): boolean {
  const { forgot } = JSON.parse(text) as { forgot?: unknown };
  return forgot === true;
}

function wantMessage(ids: Iterable<CoValueId>): string {
  return JSON.stringify({ want: [...ids] });
}
