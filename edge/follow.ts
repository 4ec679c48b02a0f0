import type { CoValueId, GroupId } from "../shared/ids.ts";
import {
  emptyKnownState,
  isBehind,
  type KnownState,
  knownStateMessage,
  meetOfKnownStates,
  mergeKnownState,
} from "../shared/known-state.ts";
import type { ContentMessage, KnownMessage, LoadMessage } from "../shared/messages.ts";
import type { HomeFollows } from "./home-follows.ts";
import {
  bytesOfTally,
  countsOf,
  covers,
  EMPTY_TALLY,
  isCovered,
  raised,
  type Tally,
  tallyOf,
} from "./tally.ts";
import type { Piece } from "./unacknowledged.ts";
import { Upload } from "./upload.ts";

/** The client has the header. */
const HEADER = 1;
const REPLAY = 2;
const REPAIR = 4;
/** A replayed `load` has not been answered. */
const UNANSWERED = 8;
/** The home has acknowledged all of `state`: it is on its disk. Content that it passes on may still be on its way there. */
const ACKED = 16;

/**
 * What a session remembers of one CoValue that its client follows, so that the upstream to its home may be lost at any
 * moment (design §4.4).
 *
 * 1. `state` is what the client has, or will have once everything sent to it has arrived.
 * 2. `evidence` is there exactly while the home has not yet shown that it has all of `state`. A follow without
 *    evidence is settled: its upstream may close and nothing is missing on either side.
 * 3. `replay` means that no `load` for this value has reached the present upstream: the next attach sends one.
 * 4. `repair` means that a `load` was sent, replayed or the client's own, and its first `known` has not come: if that
 *    one is behind, and what is on its way does not make up for it, the client is asked, by a correction, for what is
 *    missing. Exactly once per load, and not before the home has what is on its way ({@link Upload}).
 * 5. What the client was asked for is not owed until it sends it: its answer attaches the upstream, should that be gone
 *    by then. A client that has unloaded the value answers nothing.
 */
export class Follow {
  readonly id: CoValueId;
  readonly #at: HomeFollows;
  // Tens of thousands of these are kept: flags share one field, and what only an unsettled one needs is apart.
  #flags = 0;
  #counts: Tally = EMPTY_TALLY;
  #upload: Upload | undefined;

  constructor(id: CoValueId, at: HomeFollows) {
    this.id = id;
    this.#at = at;
  }

  get home(): GroupId {
    return this.#at.home;
  }

  /** What its known state takes in the heap, and was charged. */
  get bytes(): number {
    return bytesOfTally(this.#counts);
  }

  /** A copy. */
  get state(): KnownState {
    return { header: this.#has(HEADER), sessions: countsOf(this.#counts) };
  }

  get evidence(): KnownState | undefined {
    return this.#upload?.evidence;
  }

  set evidence(evidence: KnownState | undefined) {
    const before = this.#upload?.evidence;
    this.#at.unsettled += Number(evidence !== undefined) - Number(before !== undefined);
    if (evidence) this.#uploading().evidence = evidence;
    else if (this.#upload) this.#upload.evidence = undefined;
    this.#forgetUpload();
  }

  get replay(): boolean {
    return this.#has(REPLAY);
  }

  get repair(): boolean {
    return this.#has(REPAIR);
  }

  set repair(repair: boolean) {
    this.#set(REPAIR, repair);
  }

  get settled(): boolean {
    return this.evidence === undefined;
  }

  /** The client asked for the value, naming what it has. That replaces what we thought it had. */
  clientLoads(message: LoadMessage): void {
    this.#replace(message.state);
    this.evidence = emptyKnownState();
    this.#set(ACKED, false);
    this.#set(REPLAY, false);
    this.#answered();
    // cojson remembers over reconnections what was acknowledged; it would not send that again to a home that lost it.
    this.#set(REPAIR, true);
    this.#upload?.isWhole();
  }

  /** The client told what it has; a correction takes back what it was believed to have. */
  clientKnows(message: KnownMessage): void {
    if (message.isCorrection) this.#replace(message.state);
    else if (this.#lacks(message.state)) {
      // It overtook the client's own content: cojson sends by priority when the line is slow.
      this.evidence ??= this.state;
      this.#set(ACKED, false);
      this.#merge(message.state);
    }
  }

  /**
   * The client sent content.
   * @returns what has to be sent to the home; `undefined`: nothing, because something before it has not got there.
   */
  clientSends(message: ContentMessage): Piece | undefined {
    this.evidence ??= this.state;
    this.#set(ACKED, false);
    const piece = this.#uploading().add(message, () => this.state);
    this.#merge({ header: true, sessions: message.reaches });
    return piece;
  }

  /**
   * What the client sent last could not be sent on, and was not kept: it will be asked for.
   * @returns whether nothing is on its way whose acknowledgement could lead to that.
   */
  missed(piece: Piece): boolean {
    this.#uploading().missed(piece, this.state);
    return this.#uploading().pieces.length === 0;
  }

  /** The same for content that this follow has not heard of; it reaches `state`. */
  dropped(state: KnownState): boolean {
    const upload = this.#uploading();
    upload.hasGap(upload.forwarded ?? this.state);
    this.evidence ??= this.state;
    this.#set(ACKED, false);
    this.#merge(state);
    return upload.pieces.length === 0;
  }

  /** Whether the home has acknowledged all that this content brings. */
  hasAcked(message: ContentMessage): boolean {
    return this.#has(ACKED) && !this.lacks(message);
  }

  /** Whether content has something that the client has not, and will not have when all that it was sent has arrived. */
  lacks(message: ContentMessage): boolean {
    return this.#lacks({ header: true, sessions: message.reaches });
  }

  /** The home sent content: the client will have it, and the home evidently does. */
  homeSends(message: ContentMessage): void {
    const reached: KnownState = { header: true, sessions: message.reaches };
    this.#merge(reached);
    this.#set(ACKED, false);
    this.#learn(reached);
  }

  /** A Sprite that is not the home sent content: the client will have it; what the home has stays as unproven as it was. */
  replicaSends(message: ContentMessage): void {
    const before = this.evidence ?? this.state;
    this.#set(ACKED, false);
    this.#merge({ header: true, sessions: message.reaches });
    this.evidence = this.#isAheadOf(before) ? before : undefined;
  }

  /**
   * The home acknowledged or answered a load.
   * @returns whether the client must be asked, by a correction, to send what the home lacks.
   */
  homeKnows({ state }: KnownMessage): boolean {
    const answersLoad = this.repair;
    this.#set(REPAIR, false);
    this.#answered();
    const asks = this.#asksFor(state, answersLoad);
    this.#set(ACKED, this.settled && !this.#isAheadOf(state));
    return asks;
  }

  /**
   * The home asked, by a correction, for all that is not in its state.
   * @returns `ask`: the client has to be asked; `resend`: what is on its way was dropped by the home and has to be sent
   * again; `wait`: all it asks for is on its way.
   */
  homeCorrects({ state }: KnownMessage): "ask" | "resend" | "wait" {
    this.#set(ACKED, false);
    const upload = this.#uploading();
    // One question for all the messages that were on their way behind a missing one.
    if (upload.asked && upload.forwarded && !isBehind(state, upload.forwarded)) return "wait";
    const { dropped } = upload;
    if (dropped) upload.lost();
    this.evidence = emptyKnownState();
    if (this.#asksFor(state, true)) return "ask";
    return dropped && this.pieces.length > 0 ? "resend" : "wait";
  }

  /** The home said that it has dropped content of this value, and will ask for it when it has room. */
  homeDropped(): void {
    if (this.#upload) this.#upload.dropped = true;
  }

  /** The home refused content of this value for a reason that may change, and will not ask for it by itself. */
  refusedForNow(): void {
    if (this.#upload) this.#upload.refused = true;
  }

  /** What is on its way to the home and kept. */
  get pieces(): readonly Piece[] {
    return this.#upload?.pieces ?? [];
  }

  /**
   * The home refused what the client sent, for a reason that will not change by itself. The value is not owed any more:
   * or a Sprite would be kept awake for ever by content that it never takes.
   */
  refused(): void {
    this.#upload?.discard();
    this.evidence = undefined;
  }

  /** The value is not followed any more, or somewhere else. */
  forget(): void {
    this.refused();
    this.#answered();
  }

  /** The upstream is gone, with whatever was on its way in either direction. */
  upstreamLost(): void {
    this.unsent();
    this.#upload?.lost();
    this.#forgetUpload();
  }

  /** The present upstream has not got the last `load`, or needs another. */
  unsent(): void {
    this.#set(REPLAY, true);
    this.#set(REPAIR, false);
    this.#answered();
  }

  /** The home, asleep, has exactly `state` on its disk. Its next upstream begins with a replay. */
  homeRests(state: KnownState): void {
    this.upstreamLost();
    this.#learn(state);
    this.#upload?.acknowledged(state);
    this.#forgetUpload();
    this.#set(ACKED, this.settled && !this.#isAheadOf(state));
  }

  /** The `load` that a new upstream begins with. `reattach` makes the Sprite answer with a `known` in any case. */
  attach(): string {
    this.#set(REPLAY, false);
    this.#set(REPAIR, true);
    this.#answered();
    this.#set(UNANSWERED, true);
    this.#at.unanswered++;
    this.evidence = emptyKnownState();
    return knownStateMessage("load", this.id, this.state, { reattach: true });
  }

  /**
   * Takes in that the home has `state`.
   * @param compares whether all that the client has should be there or on its way, and not only what was not dropped here
   * @returns whether the client must be asked now for what is missing. If so, it is believed to have no more than `state`
   * until it answers.
   */
  #asksFor(state: KnownState, compares: boolean): boolean {
    this.#upload?.acknowledged(state);
    if (compares || this.#upload?.gap) this.#upload?.giveUpRefused();
    if (compares) {
      const reach = this.#upload?.reachFrom(state) ?? state;
      if (this.#isAheadOf(reach)) this.#uploading().hasGap(reach);
      else this.#upload?.isWhole();
    }
    const isDue = this.#upload?.gap === true && this.#upload.pieces.length === 0;
    const asks = isDue && this.#isAheadOf(state);
    if (asks) {
      this.#replace(meetOfKnownStates(this.state, state));
      this.#upload?.ask(this.state);
    } else if (isDue) this.#upload?.isWhole();
    this.#learn(state);
    this.#forgetUpload();
    return asks;
  }

  #uploading(): Upload {
    this.#upload ??= new Upload(this.#at.unacknowledged);
    return this.#upload;
  }

  #forgetUpload(): void {
    if (this.#upload?.isOver) this.#upload = undefined;
  }

  /** The last replay has been answered, or is void. */
  #answered(): void {
    if (this.#has(UNANSWERED)) this.#at.unanswered--;
    this.#set(UNANSWERED, false);
  }

  #learn(state: KnownState): void {
    const { evidence } = this;
    if (!evidence) return;
    mergeKnownState(evidence, state);
    if (!this.#isAheadOf(evidence)) this.evidence = undefined;
  }

  #replace({ header, sessions }: KnownState): void {
    this.#set(HEADER, header);
    const before = this.bytes;
    this.#counts = tallyOf(sessions);
    this.#at.remembered.charge(this.bytes - before, sessions);
  }

  #merge({ header, sessions }: KnownState): void {
    if (header) this.#set(HEADER, true);
    const before = this.bytes;
    this.#counts = raised(this.#counts, sessions);
    if (this.bytes !== before) this.#at.remembered.charge(this.bytes - before, sessions);
  }

  #isAheadOf({ header, sessions }: KnownState): boolean {
    return (this.#has(HEADER) && !header) || !covers(sessions, this.#counts);
  }

  #lacks({ header, sessions }: KnownState): boolean {
    return (header && !this.#has(HEADER)) || !isCovered(sessions, this.#counts);
  }

  #has(flag: number): boolean {
    return (this.#flags & flag) !== 0;
  }

  #set(flag: number, on: boolean): void {
    this.#flags = on ? this.#flags | flag : this.#flags & ~flag;
  }
}
