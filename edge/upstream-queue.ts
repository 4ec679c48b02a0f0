import { type Budget, bytesOf, ownText } from "./budget.ts";
import type { Piece } from "./unacknowledged.ts";

/**
 * What waits until a Sprite takes it, in its order. The client's content is kept and charged elsewhere
 * ({@link Unacknowledged}); what else waits is within this queue's own budget.
 */
export class UpstreamQueue {
  readonly #budget: Budget;
  #items: (string | Piece)[] = [];
  #bytes = 0;

  constructor(budget: Budget) {
    this.#budget = budget;
  }

  /** What waits, content apart. */
  get bytes(): number {
    return this.#bytes;
  }

  get isEmpty(): boolean {
    return this.#items.length === 0;
  }

  /** Whether content of the client waits. */
  get hasContent(): boolean {
    return this.#items.some((item) => typeof item !== "string");
  }

  /** @returns whether there was room for it. */
  push(message: string): boolean {
    const bytes = bytesOf(message);
    if (!this.#budget.take(bytes)) return false;
    this.#items.push(ownText(message));
    this.#bytes += bytes;
    return true;
  }

  /** A piece that waits already is not added twice, one that is not kept not at all. */
  pushPiece(piece: Piece): void {
    if (mark(piece)) this.#items.push(piece);
  }

  /** The same for several, in front of all that waits. */
  prepend(pieces: readonly Piece[]): void {
    const waiting = this.#items;
    this.#items = pieces.filter(mark);
    for (const item of waiting) this.#items.push(item);
  }

  /** Sends what waits, for as long as `mayGo` says so. */
  drain(mayGo: () => boolean, send: (message: string) => void): void {
    let taken = 0;
    while (taken < this.#items.length && mayGo()) {
      const message = this.#take(taken++);
      if (message !== undefined) send(message);
    }
    this.#items.splice(0, taken);
  }

  clear(): void {
    for (const index of this.#items.keys()) this.#take(index);
    this.#items = [];
  }

  /** @returns `undefined` for a piece that the home has acknowledged meanwhile. */
  #take(index: number): string | undefined {
    const item = this.#items[index];
    if (typeof item === "string") {
      const bytes = bytesOf(item);
      this.#bytes -= bytes;
      this.#budget.give(bytes);
      return item;
    }
    if (item) item.queued = false;
    return item?.text;
  }
}

function mark(piece: Piece): boolean {
  if (piece.queued || piece.text === undefined) return false;
  piece.queued = true;
  return true;
}
