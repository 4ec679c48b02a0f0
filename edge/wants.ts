import { asHome, type CoValueId, type GroupId, isCoValueId } from "../shared/ids.ts";
import { shardOf } from "./directory.ts";
import { Hotline, type HotlineDeps } from "./hotline.ts";

export interface WantsDeps {
  readonly connect: (shard: string) => ReturnType<HotlineDeps["connect"]>;
  readonly onPlaced: (id: CoValueId, home: GroupId) => void;
  readonly pause: (attempt: number) => Promise<void>;
}

/** The ids without a home that a session's client waits for: one hotline to each shard that is asked. */
export class Wants {
  readonly #deps: WantsDeps;
  readonly #shards = new Map<string, { readonly ids: Set<CoValueId>; readonly line: Hotline }>();

  constructor(deps: WantsDeps) {
    this.#deps = deps;
  }

  add(id: CoValueId): void {
    const name = shardOf(id);
    const known = this.#shards.get(name);
    if (known) {
      if (!known.ids.has(id)) known.line.send(JSON.stringify({ want: [id] }));
      known.ids.add(id);
      return;
    }
    const ids = new Set([id]);
    const line = new Hotline({
      connect: () => this.#deps.connect(name),
      onOpen: (send) => send(JSON.stringify({ want: [...ids] })),
      onMessage: (text) => this.#placed(ids, text),
      pause: this.#deps.pause,
    });
    this.#shards.set(name, { ids, line });
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
