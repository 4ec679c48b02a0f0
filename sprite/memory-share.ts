import type { KnownState } from "../shared/known-state.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Message } from "../shared/messages.ts";

/** What the node keeps for an id that is mentioned to it, and for each coSession beside its name: in characters of a message. */
const ID_CHARS = 128;
const CO_SESSION_CHARS = 24;

/** What all upstreams of a Sprite have its node remember. */
export class Memory {
  chars = 0;
  shares = 0;
}

/**
 * What one upstream has the node remember: which CoValues it follows, and what it says that it has of them. The node keeps that
 * as long as the upstream is there, in about five bytes for each character.
 *
 * 1. No upstream has more remembered than `rememberedChars`; nor more than its part, once all together reach
 *    `rememberedByAllChars`. What is past that is refused, and what others say is not.
 * 2. What is said again costs nothing.
 */
export class MemoryShare {
  readonly #all: Memory;
  readonly #byId = new Map<string, number>();
  #chars = 0;
  #isClosed = false;

  constructor(all: Memory) {
    this.#all = all;
    all.shares++;
  }

  /**
   * @param known what the node remembers by now of what the upstream has of a CoValue.
   * @returns whether the message may go to the node.
   */
  take(message: Message, known: (id: string) => KnownState | undefined): boolean {
    if (message.action === "reconcile") {
      const fresh = message.values.filter(([id]) => !this.#byId.has(id));
      if (!this.#fits(fresh.length * ID_CHARS)) return false;
      for (const [id] of fresh) this.#set(id, ID_CHARS);
      return true;
    }
    if (message.action !== "load" && message.action !== "known") return true;
    const { id, state } = message;
    const before = this.#byId.get(id) ?? 0;
    // A load and a correction replace what was remembered; a `known` adds to it.
    const replaces = message.action === "load" || message.isCorrection;
    const kept = replaces ? undefined : known(id)?.sessions;
    let chars = replaces ? ID_CHARS : Math.max(before, ID_CHARS);
    for (const coSession of Object.keys(state.sessions))
      if (kept?.[coSession] === undefined) chars += coSession.length + CO_SESSION_CHARS;
    if (chars > before && !this.#fits(chars - before)) return false;
    this.#set(id, chars);
    return true;
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#all.shares--;
    this.#all.chars -= this.#chars;
    this.#byId.clear();
  }

  #fits(more: number): boolean {
    const own = this.#chars + more;
    if (own > LIMITS.rememberedChars) return false;
    return (
      this.#all.chars + more <= LIMITS.rememberedByAllChars ||
      own <= LIMITS.rememberedByAllChars / this.#all.shares
    );
  }

  #set(id: string, chars: number): void {
    const more = chars - (this.#byId.get(id) ?? 0);
    this.#byId.set(id, chars);
    this.#chars += more;
    this.#all.chars += more;
  }
}
