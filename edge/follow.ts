import { SpriteSyncError } from "../shared/errors.ts";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import {
  type CoSessions,
  cloneKnownState,
  emptyKnownState,
  isBehind,
  type KnownState,
  knownStateMessage,
  meetOfKnownStates,
  mergeKnownState,
} from "../shared/known-state.ts";
import type { ContentMessage, KnownMessage, LoadMessage } from "../shared/messages.ts";
import type { HomeFollows } from "./home-follows.ts";

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
  state: KnownState = emptyKnownState();
  #evidence: KnownState | undefined;
  replay = false;
  repair = false;
  #isUnanswered = false;
  /** The home has acknowledged `state`: it is on its disk. Content that the home passes on may still be on its way there. */
  acked = false;
  /** Content of the client behind the `load` that `repair` is about: it reaches the home by itself, no repair is due for it. */
  queued: CoSessions | undefined;

  constructor(id: CoValueId, at: HomeFollows) {
    this.id = id;
    this.#at = at;
  }

  get home(): GroupId {
    return this.#at.home;
  }

  get evidence(): KnownState | undefined {
    return this.#evidence;
  }

  set evidence(evidence: KnownState | undefined) {
    this.#at.unsettled += Number(evidence !== undefined) - Number(this.#evidence !== undefined);
    this.#evidence = evidence;
  }

  /** Whether the home has not answered the last replay. */
  get #unanswered(): boolean {
    return this.#isUnanswered;
  }

  set #unanswered(unanswered: boolean) {
    this.#at.unanswered += Number(unanswered) - Number(this.#isUnanswered);
    this.#isUnanswered = unanswered;
  }

  get settled(): boolean {
    return this.evidence === undefined;
  }

  /** The client asked for the value, naming what it has. That replaces what we thought it had. */
  clientLoads(message: LoadMessage): void {
    this.state = cloneKnownState(message.state);
    this.evidence = emptyKnownState();
    this.acked = false;
    this.replay = false;
    this.#unanswered = false;
    // cojson remembers over reconnections what was acknowledged; it would not send that again to a home that lost it.
    this.repair = true;
    this.queued = undefined;
  }

  /** The client told what it has; a correction takes back what it was believed to have. */
  clientKnows(message: KnownMessage): void {
    if (message.isCorrection) this.state = cloneKnownState(message.state);
    else if (isBehind(this.state, message.state)) {
      // It overtook the client's own content: cojson sends by priority when the line is slow.
      this.evidence ??= cloneKnownState(this.state);
      this.acked = false;
      mergeKnownState(this.state, message.state);
    }
  }

  /** The client sent content. `waits`: its upstream is not open, so it went into the queue. */
  clientSends(message: ContentMessage, waits: boolean): void {
    this.evidence ??= cloneKnownState(this.state);
    this.acked = false;
    mergeKnownState(this.state, { header: true, sessions: message.reaches });
    if (waits || this.repair) this.queued = { ...this.queued, ...message.reaches };
  }

  /** Whether the home has acknowledged all that this content brings. */
  hasAcked(message: ContentMessage): boolean {
    return this.acked && !isBehind(this.state, { header: true, sessions: message.reaches });
  }

  /** The home sent content: the client will have it, and the home evidently does. */
  homeSends(message: ContentMessage): void {
    const reached: KnownState = { header: true, sessions: message.reaches };
    mergeKnownState(this.state, reached);
    this.acked = false;
    this.#learn(reached);
  }

  /** A Sprite that is not the home sent content: the client will have it; what the home has stays as unproven as it was. */
  replicaSends(message: ContentMessage): void {
    const before = this.evidence ?? cloneKnownState(this.state);
    this.acked = false;
    mergeKnownState(this.state, { header: true, sessions: message.reaches });
    this.evidence = isBehind(before, this.state) ? before : undefined;
  }

  /**
   * The home acknowledged or answered a load.
   * @returns whether the client must be asked, by a correction, to send what the home lacks.
   */
  homeKnows(message: KnownMessage): boolean {
    const first = this.repair;
    this.repair = false;
    this.#unanswered = false;
    const arriving = { header: message.state.header, sessions: { ...message.state.sessions } };
    if (first && this.queued) mergeKnownState(arriving, { header: true, sessions: this.queued });
    if (first) this.queued = undefined;
    const missing = first && isBehind(arriving, this.state);
    if (missing) this.state = meetOfKnownStates(this.state, arriving);
    this.#learn(message.state);
    this.acked = this.settled && !isBehind(message.state, this.state);
    return missing;
  }

  /** The home asked the client, by a correction, for all that is not in its state. */
  homeCorrects(message: KnownMessage): void {
    this.state = meetOfKnownStates(this.state, message.state);
    this.acked = false;
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
    this.#unanswered = false;
  }

  /** The upstream is gone, with whatever was on its way in either direction. */
  upstreamLost(): void {
    this.replay = true;
    this.repair = false;
    this.#unanswered = false;
    this.queued = undefined;
  }

  /** The home, asleep, has exactly `state` on its disk. Its next upstream begins with a replay. */
  homeRests(state: KnownState): void {
    this.upstreamLost();
    this.#learn(state);
    this.acked = this.settled && !isBehind(state, this.state);
  }

  /** The `load` that a new upstream begins with. `reattach` makes the Sprite answer with a `known` in any case. */
  attach(): string {
    this.replay = false;
    this.repair = true;
    this.#unanswered = true;
    this.evidence = emptyKnownState();
    return knownStateMessage("load", this.id, this.state, { reattach: true });
  }

  #learn(state: KnownState): void {
    if (!this.evidence) return;
    mergeKnownState(this.evidence, state);
    if (!isBehind(this.evidence, this.state)) this.evidence = undefined;
  }
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
