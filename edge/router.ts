import { answerImpossible } from "../shared/answers.ts";
import { BadMessages } from "../shared/bad-messages.ts";
import { errorMessage, parseError } from "../shared/control.ts";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import { emptyKnownState, type KnownState, knownStateMessage } from "../shared/known-state.ts";
import {
  type ContentMessage,
  type KnownMessage,
  type LoadMessage,
  type Message,
  parseMessage,
  type ReconcileMessage,
} from "../shared/messages.ts";
import { Companions } from "./companions.ts";
import { heedComplaint } from "./complaint.ts";
import { lookupPatiently } from "./directory.ts";
import { Follows } from "./follows.ts";
import { HomeSender } from "./home-sender.ts";
import { Intake } from "./intake.ts";
import type { Interests } from "./interests.ts";
import { RecentIds } from "./recent-ids.ts";
import { Reconciles } from "./reconcile.ts";
import { refusalOf } from "./refusal.ts";
import type { RouterDeps } from "./router-deps.ts";
import type { Piece } from "./unacknowledged.ts";
import { UnknownIds } from "./unknown-ids.ts";
import type { ValueMessage } from "./value-message.ts";

/**
 * Decides where each message of one session goes (design §3). Knows no socket and no timer.
 *
 * 1. A client's message about a value goes to the value's home; content and `known` go as well to the Sprites that asked
 *    this client for the value, because they need it to check what they store.
 * 2. A plain `known` from a Sprite that is not the value's home never reaches the client: it would read "stored".
 * 3. `known {header:false}` is made up here only for ids that surely have no home.
 * 4. Whatever an upstream loses is repaired when it is attached again ({@link Follow}).
 * 5. A `known` is made up here only for a home that sleeps and had exactly that when it fell asleep ({@link HomeSender}).
 */
export class Router {
  readonly #deps: RouterDeps;
  readonly #intake: Intake;
  readonly #follows: Follows;
  readonly #interests: Interests;
  readonly #companions: Companions;
  readonly #bad = new BadMessages();
  readonly #unknown: UnknownIds;
  /** What the client was asked for here, so that another value can get a home. Forgotten, it only wakes a home for nothing. */
  readonly #asked = new RecentIds();
  readonly #reconciles: Reconciles;
  readonly #send: HomeSender;
  /** Follows whose home is only guessed: the Sprite that sent content of a value this isolate had not met. */
  readonly #guessed = new Set<CoValueId>();

  constructor(deps: RouterDeps) {
    this.#deps = deps;
    this.#interests = deps.interests;
    const { remembered, unacknowledged: kept } = deps;
    this.#companions = new Companions(remembered);
    this.#unknown = new UnknownIds(deps);
    this.#follows = new Follows(deps.newFollow, { kept, remembered });
    this.#reconciles = new Reconciles(deps.toClient, remembered);
    this.#send = new HomeSender({ ...deps, follows: this.#follows, reconciles: this.#reconciles });
    this.#intake = new Intake({
      ...deps,
      deliver: (message, home) => (home ? this.#toHome(message, home) : this.#homeless(message)),
      refuse: (message, error) => deps.toClient(errorMessage(error, message.id)),
      dropped: (id, home, state) => this.#missing(id, home, state),
      ask: (id) => {
        this.#asked.add(id);
        deps.toClient(knownStateMessage("load", id, emptyKnownState()));
      },
    });
  }

  /** Whether nothing waits for the directory or is owed by or to any home. */
  get isSettled(): boolean {
    return this.#intake.isIdle && this.#reconciles.isIdle && this.#follows.unsettled === 0;
  }

  /** The number of CoValues that this session follows. */
  get followed(): number {
    return this.#follows.size;
  }

  /**
   * Messages of the client, of one frame. One that cannot be read is answered with an error and the others go on.
   * @throws SpriteSyncError when the socket must end: {@link BadMessages}.
   */
  clientMessages(texts: readonly string[]): void {
    const values: ValueMessage[] = [];
    this.#bad.frame();
    for (const text of texts) {
      try {
        this.#clientMessage(parseMessage(text), values);
      } catch (error) {
        const answer = this.#bad.answer(error, text);
        if (answer) this.#deps.toClient(answer);
      }
    }
    this.#intake.accept(values);
  }

  #clientMessage(message: Message, values: ValueMessage[]): void {
    if (message.action === "reconcile") this.#beginReconcile(message);
    else if (message.action === "reconcile-ack") this.#deps.clientAcked(message.batch);
    else if (message.action === "impossible") this.#deps.toClient(answerImpossible(message));
    else if (message.action !== "control" && !this.#deps.isAboutMark(message)) values.push(message);
  }

  /** A message of a Sprite, on the upstream of `from`. */
  spriteMessage(from: GroupId, message: Message): void {
    switch (message.action) {
      case "load":
        this.#spriteWants(from, message.id);
        this.#deps.toClient(message.text);
        return;
      case "content":
        this.#spriteSends(from, message);
        return;
      case "known":
        this.#spriteKnows(from, message);
        return;
      case "reconcile-ack":
        this.#reconciles.acknowledged(message.batch, from);
        return;
      case "control":
        this.#spriteComplains(from, message.text);
        return;
      default:
        this.#deps.toClient(message.text);
    }
  }

  /** Whether there is something in a Sprite's content that the client has not, and will not have from what it was sent. */
  isNews(content: ContentMessage): boolean {
    const follow = this.#follows.get(content.id);
    return follow ? follow.lacks(content) : !this.#companions.has(content);
  }

  /** An upstream has opened, or worked off what made its queue overflow: what must be sent on it before what waits. */
  *attached(home: GroupId): Generator<string> {
    yield* this.#follows.at(home).attach();
    yield* this.#reconciles.unacknowledged(home);
    for (const id of this.#interests.takeDoubtful(home))
      this.#deps.toClient(knownStateMessage("load", id, emptyKnownState()));
  }

  /** What was sent on the last upstream of a home, and has to be sent again on this one. */
  unacknowledged(home: GroupId): Piece[] {
    return this.#follows.at(home).unacknowledged.sent();
  }

  /** An upstream is gone, with everything that was on its way. */
  lost(home: GroupId): void {
    this.#follows.at(home).lost();
    this.#reconciles.lost(home);
    this.#interests.forget(home);
  }

  /** Whether something of this home is still owed in either direction, so that it has to be attached again now. */
  owes(home: GroupId): boolean {
    return this.#follows.at(home).unsettled > 0 || this.#reconciles.waitsFor(home);
  }

  /** Whether the client follows anything of this home. */
  follows(home: GroupId): boolean {
    return this.#follows.at(home).size > 0;
  }

  /** Whether a replayed `load` has not been answered. */
  repairs(home: GroupId): boolean {
    return this.#follows.at(home).unanswered > 0;
  }

  /** An id that the client asked for has been created by somebody: deliver it after all (design §3.6). */
  placed(id: CoValueId, home: GroupId): void {
    this.#deps.directory.remember(id, home);
    this.#livesAt(id, home);
    const state = this.#unknown.get(id);
    if (!state || this.#follows.get(id)) return;
    this.#toHome({ action: "load", id, state, text: knownStateMessage("load", id, state) }, home);
  }

  #toHome(message: ValueMessage, home: GroupId): void {
    this.#unknown.delete(message.id);
    const refusal = refusalOf(message, this.#deps.remembered, this.#follows.get(message.id) !== undefined);
    if (refusal) {
      this.#deps.toClient(errorMessage(refusal, message.id));
      return;
    }
    this.#livesAt(message.id, home);
    switch (message.action) {
      case "load":
        this.#clientLoads(message, home);
        return;
      case "content":
        this.#clientSends(message, home);
        return;
      case "known":
        this.#clientKnows(message, home);
        return;
      case "done":
        if (this.#deps.upstream(home).open) this.#send.message(home, message.text);
    }
  }

  #clientLoads(message: LoadMessage, home: GroupId): void {
    this.#companions.forget(message.id);
    this.#follows.begin(message.id, home).clientLoads(message);
    this.#send.load(home, message);
  }

  #clientSends(message: ContentMessage, home: GroupId): void {
    const follow = this.#follows.begin(message.id, home);
    const isAnswer = this.#asked.delete(message.id) || this.#interests.of(message.id).size > 0;
    if (isAnswer && follow.hasAcked(message)) {
      // Some Sprite, or the edge for a new one, asked the client for a value that its home stored long ago: the home need not
      // hear it, or wake for it, again. The client has to, because that question made it forget what the home has.
      this.#deps.toClient(knownStateMessage("known", message.id, follow.state));
    } else {
      this.#send.content(follow, message);
    }
    this.#toInterested(message, home);
  }

  /** Content of the client was dropped before it got here; it reached `state`. */
  #missing(id: CoValueId, home: GroupId | undefined, state: KnownState): void {
    if (!home) this.#askForAll(id);
    else {
      this.#livesAt(id, home);
      const follow = this.#follows.begin(id, home);
      if (follow.dropped(state)) this.#send.about(id, home, follow.attach());
    }
  }

  #clientKnows(message: KnownMessage, home: GroupId): void {
    this.#asked.delete(message.id);
    if (!message.state.header) this.#reconciles.uploaded(message.id);
    const follow = this.#follows.get(message.id);
    if (follow) {
      follow.clientKnows(message);
      // An acknowledgement wakes nobody: a Sprite that attaches later learns the same from the replayed load. But a
      // reconciliation of the client's may wait for nothing but this answer.
      const isAwaited = !message.state.header && this.#reconciles.waitsFor(home);
      if (this.#deps.upstream(home).open || message.isCorrection || isAwaited)
        this.#send.about(message.id, home, message.text);
    } else this.#companions.clientKnows(message);
    this.#toInterested(message, home);
  }

  #toInterested(message: ValueMessage, home: GroupId): void {
    for (const sprite of this.#interests.of(message.id)) {
      if (sprite !== home && this.#deps.upstream(sprite).open) this.#send.message(sprite, message.text);
    }
  }

  /** A message about an id that has no home, and that does not give it one. */
  #homeless(message: ValueMessage): void {
    if (message.action === "load") {
      this.#unknown.asked(message);
    } else if (message.action === "content") this.#askForAll(message.id);
    else if (message.action === "known") {
      // A Sprite may have asked for a dependency that was never uploaded: it hears what the client has.
      this.#toInterested(message, message.id as GroupId);
      this.#reconciles.uploaded(message.id);
    }
  }

  #askForAll(id: CoValueId): void {
    this.#deps.toClient(knownStateMessage("known", id, emptyKnownState(), { isCorrection: true }));
  }

  #spriteWants(from: GroupId, id: CoValueId): void {
    // A home that asks, in a reconciliation, waits for the answer and sends from then on what is new.
    if (this.#homeOf(id) === from) this.#follows.begin(id, from);
    else this.#interests.add(id, from);
  }

  #spriteSends(from: GroupId, message: ContentMessage): void {
    const { id } = message;
    const home = this.#homeOf(id);
    if (!home) void this.#guessHome(id);
    const isNews = this.isNews(message);
    if (!home || home === from) this.#follows.begin(id, from).homeSends(message);
    else {
      this.#spriteWants(from, id);
      const follow = this.#follows.get(id);
      follow?.replicaSends(message);
      // Its author may have left before the home got it; then only this client can bring it there.
      if (follow?.settled === false) this.#deps.upstream(home).attach();
    }
    // At each attach a Sprite sends the accounts and groups that its values depend on from their beginning. On a slow line that
    // alone would be too much, and what is given up for it would begin with the same again.
    if (isNews) this.#deps.toClient(message.text);
  }

  /** A dependency that a Sprite sent along most often shares its home. Until the directory has said so it is a guess. */
  async #guessHome(id: CoValueId): Promise<void> {
    this.#guessed.add(id);
    const { homes } = await lookupPatiently(this.#deps, [id]);
    this.#livesAt(id, homes.get(id));
    this.#guessed.delete(id);
  }

  /** The directory has said where a value lives. A follow that was begun at another Sprite was a wrong guess. */
  #livesAt(id: CoValueId, home: GroupId | undefined): void {
    const guess = this.#follows.get(id)?.home;
    if (!guess || guess === home) return;
    this.#guessed.delete(id);
    this.#follows.end(id);
    this.#spriteWants(guess, id);
  }

  #spriteKnows(from: GroupId, message: KnownMessage): void {
    const home = this.#homeOf(message.id);
    if (message.isCorrection) {
      if (home === from) this.#send.corrected(this.#follows.get(message.id), message);
      else {
        this.#spriteWants(from, message.id);
        this.#deps.toClient(message.text);
      }
    } else if (home === from && !this.#guessed.has(message.id)) {
      const missing = this.#follows.get(message.id)?.homeKnows(message) ?? false;
      if (!this.repairs(from)) this.#deps.upstream(from).repaired();
      const correction = () => knownStateMessage("known", message.id, message.state, { isCorrection: true });
      this.#deps.toClient(missing ? correction() : message.text);
      if (message.state.header) this.#reconciles.uploaded(message.id);
    }
  }

  #spriteComplains(from: GroupId, text: string): void {
    const complaint = parseError(text);
    const follow = complaint?.id && this.#follows.get(complaint.id);
    if (follow && follow.home === from) heedComplaint(complaint, follow);
    this.#deps.toClient(text);
  }

  /** @throws SpriteSyncError when too many of the client's batches are open. */
  #beginReconcile(message: ReconcileMessage): void {
    if (this.#reconciles.announce(message)) void this.#reconcile(message);
  }

  async #reconcile(message: ReconcileMessage): Promise<void> {
    const done = this.#reconciles.charge(message);
    if (!done) return this.#reconciles.forget(message.batch);
    const { homes, unreachable } = await lookupPatiently(
      this.#deps,
      message.values.map(([id]) => id),
    );
    if (unreachable.size > 0) {
      this.#reconciles.forget(message.batch);
      return done();
    }
    const { toHomes, uploads } = this.#reconciles.begin(message, homes, done);
    for (const id of uploads) this.#deps.toClient(knownStateMessage("load", id, emptyKnownState()));
    for (const [home, text] of toHomes) this.#send.message(home, text);
  }

  #homeOf(id: CoValueId): GroupId | undefined {
    return this.#follows.get(id)?.home ?? this.#deps.directory.cached(id);
  }
}
