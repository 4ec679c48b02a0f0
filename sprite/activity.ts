import type { Message } from "../shared/messages.ts";

/** Ids that one upstream may ask for and each time keep the Sprite awake; past it only content does. */
const MOST_LOADS = 10_000;

/**
 * Which messages of one upstream count as activity, by which a Sprite stays awake.
 *
 * 1. Content does: something is written.
 * 2. A `load` does when it is this upstream's first of that id. Repeated, it would keep a Sprite running for 84 bytes a period.
 * 3. Nothing else does: acknowledgements, corrections and reconciliations follow those, and what the Sprite sends
 *    answers them. A Sprite that has something to send or to store does not fall asleep anyway.
 */
export class Activity {
  readonly #loaded = new Set<string>();

  counts(message: Message): boolean {
    if (message.action === "content") return true;
    if (message.action !== "load" || this.#loaded.size >= MOST_LOADS) return false;
    const before = this.#loaded.size;
    return this.#loaded.add(message.id).size > before;
  }
}
