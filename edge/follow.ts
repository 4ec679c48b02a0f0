import { SpriteSyncError } from "../shared/errors.ts";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import {
  type CoSessions,
  cloneKnownState,
  emptyKnownState,
  type KnownState,
  knownStateMessage,
  meetOfKnownStates,
  mergeKnownState,
} from "../shared/known-state.ts";
import type { ContentMessage, KnownMessage, LoadMessage } from "../shared/messages.ts";
import type { HomeFollows } from "./home-follows.ts";
import { countsOf, covers, EMPTY_TALLY, isCovered, raised, type Tally, tallyOf } from "./tally.ts";

/** The client has the header. */
const HEADER = 1;
const REPLAY = 2;
const REPAIR = 4;
/** A replayed `load` has not been answered. */
const UNANSWERED = 8;
/** The home has acknowledged all of `state`: it is on its disk. Content that it passes on may still be on its way there. */
const ACKED = 16;

interface Unsettled {
  readonly evidence: KnownState | undefined;
  /** Content of the client behind the `load` that `repair` is about: it reaches the home by itself, no repair is due for it. */
  readonly queued: CoSessions | undefined;
}

/**
 * What a session remembers of one CoValue that its client follows, so that the upstream to its home may be lost at any
 * moment (design §4.4).
 *
 * 1. `state` is what the client has, or will have once everything sent to it has arrived.
 * 2. `evidence` is there exactly while the home has not yet shown that it has all of `state`. A follow without
 *    evidence is settled: its upstream may close and nothing is missing on either side.
 * 3. `replay` means that no `load` for this value has reached the present upstream: the next attach sends one.
 * 4. `repair` means that a `load` was sent, replayed or the client's own, and its first `known` has not come: if that
 *    one is behind, the client is asked, by a correction, for what is missing. Exactly once per load.
 * 5. What the client was asked for is not owed until it sends it: its answer attaches the upstream, should that be gone
 *    by then. A client that has unloaded the value answers nothing.
 */
export class Follow {
  readonly id: CoValueId;
  readonly #at: HomeFollows;
  // Tens of thousands of these are kept: flags share one field, and what only an unsettled one needs is apart.
  #flags = 0;
  #counts: Tally = EMPTY_TALLY;
  #unsettled: Unsettled | undefined;

  constructor(id: CoValueId, at: HomeFollows) {
    this.id = id;
    this.#at = at;
  }

  get home(): GroupId {
    return this.#at.home;
  }

  /** A copy. */
  get state(): KnownState {
    return { header: this.#has(HEADER), sessions: countsOf(this.#counts) };
  }

  get evidence(): KnownState | undefined {
    return this.#unsettled?.evidence;
  }

  set evidence(evidence: KnownState | undefined) {
    const before = this.#unsettled;
    this.#at.unsettled += Number(evidence !== undefined) - Number(before?.evidence !== undefined);
    this.#unsettled = unsettled(evidence, before?.queued);
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
    this.#queued = undefined;
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

  /** The client sent content. `waits`: it went into the upstream's queue. */
  clientSends(message: ContentMessage, waits: boolean): void {
    this.evidence ??= this.state;
    this.#set(ACKED, false);
    this.#merge({ header: true, sessions: message.reaches });
    if (waits || this.repair) this.#queued = { ...this.#queued, ...message.reaches };
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
  homeKnows(message: KnownMessage): boolean {
    const missing = this.repair && this.#isMissing(message.state);
    this.#set(REPAIR, false);
    this.#answered();
    this.#learn(message.state);
    this.#set(ACKED, this.settled && !this.#isAheadOf(message.state));
    return missing;
  }

  /** The home asked the client, by a correction, for all that is not in its state. */
  homeCorrects(message: KnownMessage): void {
    this.#replace(meetOfKnownStates(this.state, message.state));
    this.#set(ACKED, false);
    this.#learn(message.state);
  }

  /**
   * The home refused what the client sent, for a reason that will not change by itself. The value is not owed any more:
   * or a Sprite would be kept awake for ever by content that it never takes.
   */
  refused(): void {
    this.evidence = undefined;
  }

  /** The value is not followed any more, or somewhere else. */
  forget(): void {
    this.evidence = undefined;
    this.#answered();
  }

  /** The upstream is gone, with whatever was on its way in either direction. */
  upstreamLost(): void {
    this.#set(REPLAY, true);
    this.#set(REPAIR, false);
    this.#answered();
    this.#queued = undefined;
  }

  /** The home, asleep, has exactly `state` on its disk. Its next upstream begins with a replay. */
  homeRests(state: KnownState): void {
    this.upstreamLost();
    this.#learn(state);
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

  get #queued(): CoSessions | undefined {
    return this.#unsettled?.queued;
  }

  set #queued(queued: CoSessions | undefined) {
    this.#unsettled = unsettled(this.#unsettled?.evidence, queued);
  }

  /** Whether what the home has, and what is on its way there, is less than what the client has; then it is asked for. */
  #isMissing(state: KnownState): boolean {
    const arriving = cloneKnownState(state);
    if (this.#queued) mergeKnownState(arriving, { header: true, sessions: this.#queued });
    this.#queued = undefined;
    if (!this.#isAheadOf(arriving)) return false;
    this.#replace(meetOfKnownStates(this.state, arriving));
    return true;
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
    this.#counts = tallyOf(sessions);
  }

  #merge({ header, sessions }: KnownState): void {
    if (header) this.#set(HEADER, true);
    this.#counts = raised(this.#counts, sessions);
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

function unsettled(evidence: KnownState | undefined, queued: CoSessions | undefined): Unsettled | undefined {
  return evidence || queued ? { evidence, queued } : undefined;
}

/** Only a client that has something can be ahead of the home: then the home is made to say what it has. */
export function attachingLoad({ state, text }: LoadMessage): string {
  const hasSome = state.header || Object.keys(state.sessions).length > 0;
  return hasSome ? withReattach(text) : text;
}

/** A load with the member that makes a Sprite answer with a `known` first; the rest of the text stays as it is. */
function withReattach(text: string): string {
  const end = text.lastIndexOf("}");
  if (end < 0) throw new SpriteSyncError("bad-message", "a load does not end with a brace");
  return `${text.slice(0, end)},"reattach":true}`;
}
