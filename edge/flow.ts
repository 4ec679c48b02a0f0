import type { Budget } from "./budget.ts";
import { type MarkKind, markKindOf, newMark } from "./marks.ts";

export interface FlowDeps {
  /** Sends a mark behind everything that was sent so far. */
  readonly send: (mark: string) => void;
  /** Bytes between two marks. */
  readonly markBytes: number;
  /** Charged with what is unread up to the last mark. */
  readonly budget: Budget;
  readonly now: () => number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** Whether it has to be found out which marks the other side answers; without it, it answers a `reconcile`. */
  readonly findsOut?: boolean;
}

interface SentMark {
  readonly kind: MarkKind;
  readonly answer: string;
  /** Bytes sent up to and with this mark, since the beginning. */
  readonly at: number;
}

/**
 * How much of what was sent on a socket the other side has not worked off. workerd's `send` neither blocks nor tells, so
 * the other side is asked: now and then a mark follows what was sent, which it answers when it has handled all that
 * came before (one queue for each peer: `IncomingMessagesQueue` in cojson).
 *
 * 1. `unread` is what was sent and lies behind the last answered mark.
 * 2. An answer counts for all earlier marks; an answer nobody asked for counts for nothing.
 * 3. What no mark has followed yet, or will follow when the last one is answered, is not charged: on a quiet socket nobody
 *    would ever ask whether it was read, and some hundred quiet sessions would use up the isolate's budget with what has
 *    long been read.
 * 4. Which marks the other side answers is told by the first answer: it is asked by a `reconcile` and by a `content`
 *    behind it, and has answered in order. It is asked in that way alone from then on. One that answers neither has
 *    read nothing.
 * 5. There are few `content` marks, so one of them is open at a time, and a wrong answer is a guess: after it no answer
 *    of that kind counts any more.
 */
export class Flow {
  readonly #deps: FlowDeps;
  #answers: MarkKind | undefined;
  #marks: SentMark[] = [];
  #sent = 0;
  #read = 0;
  #charged = 0;
  #progressAt = 0;
  #guesses = false;

  constructor(deps: FlowDeps) {
    this.#deps = deps;
    if (!deps.findsOut) this.#answers = "reconcile";
  }

  /** Characters that were sent and are not known to have been worked off: on the wire, bytes of ASCII. */
  get unread(): number {
    return this.#sent - this.#read;
  }

  /** For how long a mark has been waiting without any progress (ms); 0 when none does. */
  get stalledMs(): number {
    return this.#marks.length > 0 ? this.#deps.now() - this.#progressAt : 0;
  }

  /** Counts a frame that was sent, and sends a mark when one is due. */
  sent(frame: string): void {
    this.#sent += frame.length;
    if (this.#sent - this.#charged < this.#deps.markBytes) return;
    if (this.#marks.length === 0) this.#progressAt = this.#deps.now();
    if (this.#answers === "reconcile" || this.#marks.length === 0) this.#ask();
    this.#charge();
  }

  /** A `reconcile-ack` or a `known` came. @returns whether it is about a mark, and so nobody else's business. */
  answered(answer: string): boolean {
    const kind = markKindOf(answer);
    if (!kind) return false;
    const index = this.#marks.findIndex((mark) => mark.answer === answer);
    const mark = this.#marks[index];
    if (!mark && kind === "content") this.#guesses = true;
    if (!mark || (kind === "content" && this.#guesses)) return true;
    this.#answers ??= kind;
    this.#marks = this.#marks.slice(index + 1).filter((later) => later.kind === this.#answers);
    this.#deps.budget.give(mark.at - this.#read);
    this.#read = mark.at;
    this.#progressAt = this.#deps.now();
    if (this.#charged > mark.at && this.#marks.length === 0) {
      this.#ask();
      this.#charge();
    }
    return true;
  }

  /** The socket is gone: nothing of it waits any more. */
  close(): void {
    this.#deps.budget.give(this.#charged - this.#read);
    this.#read = this.#sent;
    this.#charged = this.#sent;
    this.#marks = [];
  }

  #ask(): void {
    const kinds = this.#answers ? [this.#answers] : (["reconcile", "content"] as const);
    for (const kind of kinds) {
      const { message, answer } = newMark(kind, this.#deps.random);
      this.#sent += message.length;
      this.#marks.push({ kind, answer, at: this.#sent });
      this.#deps.send(message);
    }
  }

  #charge(): void {
    this.#deps.budget.charge(this.#sent - this.#charged);
    this.#charged = this.#sent;
  }
}
