import type { CoValueCore } from "cojson";
import { CrashViolation } from "./violation.ts";

export type Content = NonNullable<ReturnType<CoValueCore["newContentSince"]>>[number];
type CoSessionId = keyof Content["new"];

/** One content message of one coSession, without the header. */
export interface Batch {
  readonly content: Content;
  /** The number of the first transaction after it. */
  readonly end: number;
}

/** Makes the next transactions of a coSession; a chain that nobody goes on with has none. */
export type Continue = () => void;

/**
 * What one author wrote to one CoValue, cut into the messages that bring it: each is signed, none is ever changed.
 * Written only as far as somebody asked.
 */
export class SignedChain {
  readonly #core: CoValueCore;
  readonly #coSession: CoSessionId;
  readonly #continue: Continue | undefined;
  readonly #batches = new Map<number, Batch>();
  readonly #transactions: unknown[] = [];

  constructor(core: CoValueCore, coSession: string, goOn: Continue | undefined) {
    this.#core = core;
    this.#coSession = coSession as CoSessionId;
    this.#continue = goOn;
    this.#take(0);
  }

  /** Transactions written so far. */
  get length(): number {
    return this.#transactions.length;
  }

  /** Transaction number `index`; `undefined` when it was never written. */
  transaction(index: number): unknown {
    return this.#transactions[index];
  }

  /**
   * The message that begins with transaction number `start`, written now if it must be; `undefined` at the end.
   * @throws CrashViolation when no message begins there: a part of one was stored, or acknowledged.
   */
  from(start: number): Batch | undefined {
    if (start === this.length && this.#continue) {
      this.#continue();
      this.#take(start);
    }
    if (start === this.length) return undefined;
    const batch = this.#batches.get(start);
    if (batch) return batch;
    throw new CrashViolation(
      `${this.#core.id} ${this.#coSession}: a message was cut at transaction ${start}`,
    );
  }

  /** Whether a message ends, or the first one begins, at transaction number `count`. */
  isWhole(count: number): boolean {
    return count === this.length || this.#batches.has(count);
  }

  #take(start: number): void {
    const known = this.#core.knownState();
    const sessions = { ...known.sessions, [this.#coSession]: start };
    for (const piece of this.#core.newContentSince({ ...known, sessions }) ?? []) {
      const part = piece.new[this.#coSession];
      if (!part) continue;
      const end = part.after + part.newTransactions.length;
      const { header: _, expectContentUntil: __, ...content } = piece;
      this.#batches.set(part.after, { content: { ...content, new: { [this.#coSession]: part } }, end });
      this.#transactions.push(...part.newTransactions);
    }
  }
}
