import type { CoValueId } from "../shared/ids.ts";
import { isBehind, type KnownState, mergeKnownState } from "../shared/known-state.ts";
import type { ContentMessage, KnownMessage } from "../shared/messages.ts";

/** Of each about 300 B are kept. What is forgotten is only sent once more. */
const KEPT = 2_000;

/**
 * What the client has of values that it does not follow: accounts and groups that a Sprite sent along because its own
 * values depend on them. At each attach it sends them again, from their beginning.
 */
export class Companions {
  readonly #states = new Map<CoValueId, KnownState>();

  /** The client told what it has. */
  clientKnows({ id, state, isCorrection }: KnownMessage): void {
    const before = this.#states.get(id);
    this.#states.delete(id);
    if (!state.header) return;
    this.#states.set(id, before && !isCorrection ? mergeKnownState(before, state) : state);
    if (this.#states.size <= KEPT) return;
    for (const oldest of this.#states.keys()) {
      this.#states.delete(oldest);
      break;
    }
  }

  /** Whether there is nothing in this content that the client has not. */
  has({ id, reaches }: ContentMessage): boolean {
    const state = this.#states.get(id);
    return state !== undefined && !isBehind(state, { header: true, sessions: reaches });
  }

  /** The value is followed from now on, or has to be sent again. */
  forget(id: CoValueId): void {
    this.#states.delete(id);
  }
}
