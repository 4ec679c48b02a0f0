import type { CoSessions } from "../shared/known-state.ts";
import type { ContentMessage } from "../shared/messages.ts";
import { type Budget, ownText } from "./budget.ts";
import { bytesOfMessage } from "./message-bytes.ts";

/** What a piece costs in memory besides its message: itself, and its places in two lists. */
const PIECE_BYTES = 256;

/** One content message of the client on its way to its home. */
export interface Piece {
  /** Whether it brings the value's header. */
  header: boolean;
  readonly starts: CoSessions;
  readonly reaches: CoSessions;
  /** The message while it is kept. A piece without it cannot be sent again. */
  text: string | undefined;
  /** Charged for it. */
  bytes: number;
  /** Whether it waits in the upstream's queue. */
  queued: boolean;
}

/**
 * The content that a session's client sent to one home and that the home has not acknowledged, in the order it came. A
 * home whose socket is lost gets it once more from here, so that the client need not send it again.
 *
 * 1. What is kept is within the budget. A piece that finds no room is sent all the same, if the home takes it now, and is
 *    asked of the client again if it gets lost.
 * 2. A settled piece is kept no longer, whatever queue it is in.
 */
export class Unacknowledged {
  readonly #budget: Budget;
  readonly #kept = new Set<Piece>();

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  add(message: ContentMessage): Piece {
    const { header, starts, reaches, text } = message;
    const piece: Piece = {
      header: header !== undefined,
      starts,
      reaches,
      text: undefined,
      bytes: 0,
      queued: false,
    };
    const bytes = bytesOfMessage(message) + PIECE_BYTES;
    if (this.#budget.take(bytes)) {
      piece.text = ownText(text);
      piece.bytes = bytes;
      this.#kept.add(piece);
    }
    return piece;
  }

  /** The home has it, or will never get it from here. */
  settle(piece: Piece): void {
    if (!this.#kept.delete(piece)) return;
    this.#budget.give(piece.bytes);
    piece.bytes = 0;
    piece.text = undefined;
  }

  /** What was sent on a socket that is lost, in its order. */
  sent(): Piece[] {
    return [...this.#kept].filter(({ queued }) => !queued);
  }
}
