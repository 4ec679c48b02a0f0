import type { Budget } from "./budget.ts";

/** Begins the batch ids of our marks; those of clients are random (cojson's `createReconcileBatchID`). */
const MARK = "sprite-sync-mark:";

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
}

interface Mark {
  /** Not to be guessed: only who has read the mark can answer it. */
  readonly batch: string;
  /** Bytes sent up to and with this mark, since the beginning. */
  readonly at: number;
}

/**
 * How much of what was sent on a socket the other side has not worked off. workerd's `send` neither blocks nor tells, so
 * the other side is asked: now and then a mark follows what was sent, an empty `reconcile`, which every cojson node
 * answers with a `reconcile-ack` when it has handled all that came before (0.20.19 `handleReconcile`, and one queue for
 * each peer in `IncomingMessagesQueue`). It has no other effect.
 *
 * 1. `unread` is what was sent and lies behind the last answered mark.
 * 2. An answer counts for all earlier marks; an answer nobody asked for counts for nothing.
 * 3. What no mark has followed yet is not charged: on a quiet socket nobody would ever ask whether it was read, and some
 *    hundred quiet sessions would use up the isolate's budget with what has long been read.
 */
export class Flow {
  readonly #deps: FlowDeps;
  #marks: Mark[] = [];
  #sent = 0;
  #read = 0;
  #marked = 0;
  #progressAt = 0;

  constructor(deps: FlowDeps) {
    this.#deps = deps;
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
    if (this.#sent - this.#marked < this.#deps.markBytes) return;
    const batch = `${MARK}${this.#deps.random().toString(36).slice(2)}`;
    const mark = JSON.stringify({ action: "reconcile", id: batch, values: [] });
    this.#sent += mark.length;
    this.#deps.budget.charge(this.#sent - this.#marked);
    this.#marked = this.#sent;
    if (this.#marks.length === 0) this.#progressAt = this.#deps.now();
    this.#marks.push({ batch, at: this.#sent });
    this.#deps.send(mark);
  }

  /** A `reconcile-ack` came. @returns whether it is about a mark, and so nobody else's business. */
  answered(batch: string): boolean {
    if (!batch.startsWith(MARK)) return false;
    const index = this.#marks.findIndex((mark) => mark.batch === batch);
    const mark = this.#marks[index];
    if (!mark) return true;
    this.#marks.splice(0, index + 1);
    this.#deps.budget.give(mark.at - this.#read);
    this.#read = mark.at;
    this.#progressAt = this.#deps.now();
    return true;
  }

  /** The socket is gone: nothing of it waits any more. */
  close(): void {
    this.#deps.budget.give(this.#marked - this.#read);
    this.#read = this.#sent;
    this.#marked = this.#sent;
    this.#marks = [];
  }
}
