import {
  type CoSessions,
  cloneKnownState,
  emptyKnownState,
  type KnownState,
  mergeKnownState,
} from "../shared/known-state.ts";
import type { ContentMessage } from "../shared/messages.ts";
import type { Piece, Unacknowledged } from "./unacknowledged.ts";

/** From so many pieces on, what is not kept has to follow what is before it. */
const APART_PIECES = 1_000;

/**
 * What a session remembers of one value while its home has not shown that it has all that the client has.
 *
 * 1. `pieces` are on their way to the home, in the order in which they were sent.
 * 2. `forwarded` is there while some content of the client was dropped here, or it has been asked for some: what the home
 *    will have when all pieces have arrived. Content that does not continue it is not sent to the home, which would answer
 *    each such message with a correction, and each correction would make the client send everything behind it.
 * 3. What is not kept is a piece or two where it follows one another, and a thousand where not: a home that acknowledges
 *    nothing must not fill the memory.
 * 4. `gap`: the client has to be asked. It is once no piece is on its way, so that it sends only what is missing.
 */
export class Upload {
  /** What the home has shown to have; `undefined`: all that the client has. */
  evidence: KnownState | undefined;
  forwarded: KnownState | undefined;
  gap = false;
  /** The client was asked, and its answer has not begun. What comes until then was sent before it heard the question. */
  asked = false;
  /** The home said that it dropped pieces for lack of room; it will ask for them. */
  dropped = false;
  /** The home refused some piece for now. It will not try that again, nor ask for it before more of the value comes. */
  refused = false;
  readonly #home: Unacknowledged;
  #pieces: Piece[] = [];
  /** So many of the first pieces are of use to the home when they arrive. */
  #usable = 0;
  /** What it will have then. */
  #reach = emptyKnownState();

  constructor(home: Unacknowledged) {
    this.#home = home;
  }

  get pieces(): readonly Piece[] {
    return this.#pieces;
  }

  /** Whether nothing is left to remember. */
  get isOver(): boolean {
    return this.evidence === undefined && this.#pieces.length === 0 && !this.gap && !this.asked;
  }

  /**
   * Takes a message of the client in. `undefined`: it does not continue what was forwarded, and must not be sent.
   * @param state what the client has, without it
   */
  add(message: ContentMessage, state: () => KnownState): Piece | undefined {
    const { forwarded } = this;
    if (forwarded && !continues(forwarded, { ...message, header: message.header !== undefined }))
      return undefined;
    const piece = this.#home.add(message);
    if (!this.#append(piece)) {
      this.hasGap(forwarded ?? state());
      return undefined;
    }
    if (forwarded) {
      extend(forwarded, piece);
      this.asked = false;
    }
    return piece;
  }

  /** The last piece could not be sent, and was not kept. @param state what the client has, with that piece */
  missed(piece: Piece, state: KnownState): void {
    if (this.#pieces.at(-1) === piece) this.#pieces.pop();
    this.#usable = Math.min(this.#usable, this.#pieces.length);
    this.#home.settle(piece);
    this.hasGap(takeBack(this.forwarded ?? state, piece));
  }

  /** Some of the value did not get past here. */
  hasGap(forwarded: KnownState): void {
    this.forwarded = forwarded;
    this.gap = true;
  }

  /** The client is asked for what comes after `state`. */
  ask(state: KnownState): void {
    this.forwarded = state;
    this.gap = false;
    this.asked = true;
  }

  /** All that the client has is on its way. */
  isWhole(): void {
    this.forwarded = undefined;
    this.gap = false;
    this.asked = false;
  }

  /** The home has `state`. It works pieces off in their order, so that those it has are the first. */
  acknowledged(state: KnownState): void {
    const first = this.#pieces.findIndex((piece) => !isIn(state, piece));
    const there = this.#pieces.splice(0, first === -1 ? this.#pieces.length : first);
    for (const piece of there) this.#home.settle(piece);
    this.#usable = Math.max(0, this.#usable - there.length);
  }

  /** What a home that has `state` will have when the pieces have arrived. Those that it could not use are given up. */
  reachFrom(state: KnownState): KnownState {
    const reach = mergeKnownState(this.#usable > 0 ? this.#reach : emptyKnownState(), state);
    // A home may correct thousands of messages, with thousands on their way.
    for (const piece of this.#pieces.splice(this.#usable)) {
      if (isIn(state, piece) || !continues(reach, piece)) this.#home.settle(piece);
      else {
        extend(reach, piece);
        this.#pieces.push(piece);
      }
    }
    this.#usable = this.#pieces.length;
    this.#reach = reach;
    return cloneKnownState(reach);
  }

  /** What was sent has not arrived: what was kept of it can be sent again. */
  lost(): void {
    this.dropped = false;
    this.refused = false;
    this.#settle(({ text }) => text === undefined);
  }

  /** Gives the pieces up among which the home refused some: nobody can tell which, and the client has all of them. */
  giveUpRefused(): void {
    if (this.refused) this.#settle(() => true);
    this.refused = false;
  }

  /** Gives all pieces up. */
  discard(): void {
    this.#settle(() => true);
    this.isWhole();
  }

  /** @returns `false`: no room to keep it, nor can it be counted with what is before it and not kept either. */
  #append(piece: Piece): boolean {
    const [before, last] = this.#pieces.slice(-2);
    // Not the last one: it might still turn out that it cannot be sent.
    if (before && last && canJoin(before, last)) {
      join(before, this.#pieces.pop() ?? last);
      this.#usable = Math.min(this.#usable, this.#pieces.length - 1);
    }
    const end = this.#pieces.at(-1);
    const isMany = this.#pieces.length >= APART_PIECES && piece.text === undefined;
    if (isMany && end?.text === undefined && end && !canJoin(end, piece)) return false;
    this.#pieces.push(piece);
    return true;
  }

  #settle(isSettled: (piece: Piece) => boolean): void {
    this.#usable = 0;
    this.#pieces = this.#pieces.filter((piece) => {
      if (!isSettled(piece)) return true;
      this.#home.settle(piece);
      return false;
    });
  }
}

type Part = Pick<Piece, "header" | "starts" | "reaches">;

/** Whether who has `state` can use `part`. */
function continues(state: KnownState, { header, starts }: Part): boolean {
  return (header || state.header) && isWithin(starts, state.sessions);
}

function isIn(state: KnownState, { header, reaches }: Part): boolean {
  return (state.header || !header) && isWithin(reaches, state.sessions);
}

function isWithin(counts: CoSessions, others: CoSessions): boolean {
  for (const id in counts) if ((counts[id] ?? 0) > (others[id] ?? 0)) return false;
  return true;
}

function extend(state: KnownState, { header, reaches }: Part): void {
  mergeKnownState(state, { header, sessions: reaches });
}

/** Whether two pieces in a row are the same as one: neither is kept, and the second leaves no hole behind the first. */
function canJoin(first: Piece, second: Piece): boolean {
  if (first.text !== undefined || second.text !== undefined) return false;
  for (const id in second.starts) {
    const start = second.starts[id] ?? 0;
    if (start < (first.starts[id] ?? 0) || start > (first.reaches[id] ?? start)) return false;
  }
  return true;
}

/** Makes `first` both. */
function join(first: Piece, second: Piece): void {
  first.header ||= second.header;
  for (const id in second.starts) first.starts[id] ??= second.starts[id] ?? 0;
  extend({ header: true, sessions: first.reaches }, second);
}

/** `state` as it was before `part`, or less. */
function takeBack(state: KnownState, { header, starts }: Part): KnownState {
  const before = cloneKnownState(state);
  if (header) before.header = false;
  for (const id in starts) {
    const start = starts[id] ?? 0;
    if (start < (before.sessions[id] ?? 0)) before.sessions[id] = start;
  }
  return before;
}
