import { answerUnreadable, idIn } from "./answers.ts";
import { SpriteSyncError, toSpriteSyncError } from "./errors.ts";
import { LIMITS } from "./limits.ts";
import { RefusedContent } from "./messages.ts";

/**
 * What one socket sends that cannot be read. A line feed costs its sender one byte, and an error costs us a hundred: of
 * what names no id one is answered in a frame, and after {@link LIMITS.badMessages} the socket ends. Content that is
 * well-formed and refused does not count, and neither does what is only too large: an app may send it in good faith.
 */
export class BadMessages {
  #count = 0;
  #answered = false;

  /** A new frame begins. */
  frame(): void {
    this.#answered = false;
  }

  /**
   * @returns the answer to `text`, at which `parseMessage` threw `error`; `undefined` when there is none.
   * @throws SpriteSyncError `bad-frame` when the socket has to end.
   */
  answer(error: unknown, text: string): string | undefined {
    const { code } = toSpriteSyncError(error, "bad-message");
    if (code === "bad-message" && !(error instanceof RefusedContent)) {
      if (++this.#count > LIMITS.badMessages) {
        const reason = `more than ${LIMITS.badMessages} messages that cannot be read; send one JSON object per line`;
        throw new SpriteSyncError("bad-frame", reason);
      }
    }
    if (idIn(text) === undefined) {
      if (this.#answered) return undefined;
      this.#answered = true;
    }
    return answerUnreadable(error, text);
  }
}
