import { SpriteSyncError } from "../shared/errors.ts";
import { splitFrame } from "../shared/frames.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Budget } from "./budget.ts";

export interface InboxDeps {
  /** Takes messages, in their order; `chars` is how long they are together. */
  readonly handle: (texts: readonly string[], chars: number) => void;
  /** `handle` threw in a later turn, or too much waits. */
  readonly onFault: (error: unknown) => void;
  readonly later: (ms: number, action: () => void) => void;
  /** For frames that wait for their turn. */
  readonly budget: Budget;
}

interface Frame {
  readonly chars: number;
  readonly texts: readonly string[];
  next: number;
}

/**
 * The frames of one client. What cojson sends is handled as it comes; a frame of thousands of messages is handled a turn at
 * a time, so that the other sessions of the isolate are served meanwhile.
 *
 * 1. Messages are handled in the order they came in.
 * 2. What waits is counted: when there is no room for it the client is at fault.
 */
export class Inbox {
  readonly #deps: InboxDeps;
  readonly #frames: Frame[] = [];

  constructor(deps: InboxDeps) {
    this.#deps = deps;
  }

  get isIdle(): boolean {
    return this.#frames.length === 0;
  }

  /** @throws SpriteSyncError when the frame as a whole must end the socket. */
  push(data: unknown): void {
    const frame = { chars: String(data).length, texts: splitFrame(data), next: 0 };
    if (this.isIdle) {
      this.#turn(frame);
      if (frame.next === frame.texts.length) return;
    }
    if (!this.#deps.budget.take(frame.chars)) {
      throw new SpriteSyncError(
        "overloaded",
        "more messages at once than can be handled; send fewer in a frame",
      );
    }
    if (this.#frames.push(frame) === 1) this.#deps.later(0, this.#resume);
  }

  readonly #resume = (): void => {
    const [frame] = this.#frames;
    if (!frame) return;
    try {
      this.#turn(frame);
    } catch (error) {
      this.#deps.onFault(error);
      return;
    }
    if (frame.next === frame.texts.length) {
      this.#frames.shift();
      this.#deps.budget.give(frame.chars);
    }
    if (!this.isIdle) this.#deps.later(0, this.#resume);
  };

  /** As many messages of a frame as one turn may take; at least one. */
  #turn(frame: Frame): void {
    const from = frame.next;
    const end = Math.min(from + LIMITS.turnMessages, frame.texts.length);
    let chars = 0;
    while (frame.next < end && chars < LIMITS.turnChars) chars += frame.texts[frame.next++]?.length ?? 0;
    const all = frame.next - from === frame.texts.length;
    this.#deps.handle(all ? frame.texts : frame.texts.slice(from, frame.next), chars);
  }
}
