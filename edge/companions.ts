import { LRUCache } from "lru-cache";
import type { CoValueId } from "../shared/ids.ts";
import { isBehind, type KnownState } from "../shared/known-state.ts";
import type { ContentMessage, KnownMessage } from "../shared/messages.ts";
import { entryBytes, type Remembered } from "./remembered.ts";

/** Characters of the messages that told them: about 2,000 accounts. What is forgotten is only sent once more. */
const KEPT_CHARS = 256 * 1024;

/**
 * What the client has of values that it does not follow: accounts and groups that a Sprite sent along because its own
 * values depend on them. At each attach it sends them again, from their beginning.
 */
export class Companions {
  readonly #remembered: Remembered;
  // Not `max`, which would allocate all of it for every session.
  readonly #states = new LRUCache<CoValueId, KnownState>({
    maxSize: KEPT_CHARS,
    dispose: (state) => this.#remembered.give(bytesOf(state)),
  });

  constructor(remembered: Remembered) {
    this.#remembered = remembered;
  }

  /** The client told what it has, which replaces what it told before. */
  clientKnows({ id, state, text }: KnownMessage): void {
    this.#states.delete(id);
    if (!state.header || text.length > KEPT_CHARS) return;
    if (this.#remembered.take(bytesOf(state), state.sessions))
      this.#states.set(id, state, { size: text.length });
  }

  /** Whether there is nothing in this content that the client has not. */
  has({ id, reaches }: ContentMessage): boolean {
    const state = this.#states.get(id);
    return state !== undefined && !isBehind(state, { header: true, sessions: reaches });
  }

  /** The value is followed from now on. */
  forget(id: CoValueId): void {
    this.#states.delete(id);
  }
}

/** About 256 bytes for the entry and the state itself. */
function bytesOf({ sessions }: KnownState): number {
  return 256 + entryBytes(Object.keys(sessions));
}
