import { type CoValueCore, cojsonInternals, type PeerState, type SyncMessage } from "cojson";
import { answerImpossible } from "../shared/answers.ts";
import { SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { type CoValueHeader, provesId } from "../shared/header.ts";
import { type CoValueId, isCoValueId } from "../shared/ids.ts";
import { emptyKnownState, knownStateMessage } from "../shared/known-state.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Message } from "../shared/messages.ts";
import type { TransactionLike } from "../shared/placement.ts";
import { type CheckedTransaction, checkChanges, type ValueShape } from "./change-check.ts";
import { type Home, rawId } from "./home.ts";
import { isReattach, readSyncMessage } from "./sync-message.ts";

type Content = Extract<SyncMessage, { action: "content" }>;
type CoSessionId = keyof Content["new"];

export interface AdmissionDeps {
  readonly home: Home;
  /** This upstream's peer on the node. */
  readonly peer: () => PeerState;
  /** Hands a message to the node. */
  readonly deliver: (message: SyncMessage) => void;
  /** Sends a text that this module made to the upstream. */
  readonly reply: (text: string) => void;
  /** The first content of a CoValue is going to the node. */
  readonly onNew: (id: CoValueId) => void;
  /** No message waits for something any more. */
  readonly onIdle: () => void;
  /** Tells the upstream that a message was refused. */
  readonly refuse: (error: SpriteSyncError, id: CoValueId) => void;
}

interface Waiting {
  readonly message: SyncMessage;
  readonly chars: number;
}

/**
 * Decides which messages of one upstream reach the node.
 *
 * 1. Content of a CoValue that is not stored here passes only if its header proves its id and it lives here, or if it
 *    is a dependency that the node asked this upstream for.
 * 2. Content passes only when everything it depends on is in memory. cojson would let a CoValue wait for a dependency
 *    that never comes, and with it all later content of that CoValue: anyone could block a group with one transaction
 *    that names an invented member.
 * 3. Messages about one CoValue keep their order; those about others do not wait for it.
 * 4. What waits is bounded in size and time. What did not fit is asked for again when nothing waits any more; what
 *    waited too long is refused, and comes again when its client connects anew.
 */
export class Admission {
  private readonly deps: AdmissionDeps;
  private readonly waiting = new Map<CoValueId, Waiting[]>();
  private waitingChars = 0;
  /** Groups asked for only to see whether they live here, each with what ends the wait for it. */
  private readonly asked = new Map<CoValueId, AbortController>();
  /** New CoValues handed to the node, which may be too busy to have taken them up yet. */
  private readonly delivered = new Map<CoValueId, ValueShape>();
  /** CoValues of which something was dropped because too much waited. */
  private readonly dropped = new Set<CoValueId>();
  /** New CoValues whose first content was refused: the rest of their content is, too. */
  private readonly refused = new Set<CoValueId>();
  private closed = false;

  constructor(deps: AdmissionDeps) {
    this.deps = deps;
  }

  /** Whether no message waits for something. */
  get isIdle(): boolean {
    return this.waiting.size === 0;
  }

  /** @throws SpriteSyncError `bad-message` */
  receive(message: Message): void {
    if (message.action === "control") return;
    if (message.action === "impossible") {
      this.deps.reply(answerImpossible(message));
      return;
    }
    const read = readSyncMessage(message, this.deps.home.keys);
    if ("batch" in message) {
      this.deps.deliver(read);
      return;
    }
    if (message.action === "known" && !message.state.header) this.asked.get(message.id)?.abort();
    // What follows dropped content would leave a hole before it. All of it is asked for at once.
    if (message.action === "content" && this.dropped.has(message.id) && !this.isAwaited(message.id)) return;
    const queue = this.waiting.get(message.id);
    if (!queue && this.needsNothing(read)) this.deps.deliver(read);
    else this.hold(message.id, { message: read, chars: message.text.length });
  }

  /** The node has dropped content that passed here: the rest of a new CoValue's is refused, instead of being asked for. */
  contentDropped(id: CoValueId): void {
    if (this.delivered.delete(id)) this.refused.add(id);
  }

  /** Forgets what waits. */
  close(): void {
    this.closed = true;
    this.waiting.clear();
    for (const wait of this.asked.values()) wait.abort();
  }

  private hold(id: CoValueId, next: Waiting): void {
    // What others wait for has room of its own: dropped, it would keep them waiting until all of them are refused.
    const room = this.isAwaited(id) ? 2 * LIMITS.heldChars : LIMITS.heldChars;
    const isOver = this.waiting.size > 0 && this.waitingChars + next.chars > room;
    // Only content can be asked for again; the rest is small.
    if (isOver && next.message.action === "content") {
      const reason = "too much content waits for what it depends on; it will be asked for again";
      this.dropped.add(id);
      this.deps.refuse(new SpriteSyncError("overloaded", reason), id);
      return;
    }
    this.waitingChars += next.chars;
    const queue = this.waiting.get(id);
    if (queue) queue.push(next);
    else {
      const first = [next];
      this.waiting.set(id, first);
      void this.work(id, first);
    }
  }

  /** Whether this upstream was asked for it, because something depends on it. */
  private isAwaited(id: CoValueId): boolean {
    return this.asked.has(id) || this.deps.peer().loadRequestSent.has(rawId(id));
  }

  private async work(id: CoValueId, queue: Waiting[]): Promise<void> {
    for (let next = queue[0]; next && !this.closed; next = queue[0]) {
      await this.pass(id, next.message);
      queue.shift();
      this.waitingChars -= next.chars;
    }
    if (this.closed) return;
    this.waiting.delete(id);
    if (this.waiting.size > 0) return;
    this.deps.onIdle();
    await this.askForDropped();
  }

  /** Now that nothing waits: clients do not send again by themselves what they have sent once. */
  private async askForDropped(): Promise<void> {
    const ids = [...this.dropped].filter((id) => !this.refused.has(id));
    this.dropped.clear();
    for (const id of ids) {
      const durable = await this.deps.home.durableState(id);
      this.deps.reply(knownStateMessage("known", id, durable, { isCorrection: true }));
    }
  }

  private async pass(id: CoValueId, message: SyncMessage): Promise<void> {
    try {
      const ready = this.needsNothing(message) || (await this.prepare(id, message));
      if (!ready || this.closed) return;
      this.deps.deliver(message);
      this.refused.delete(id);
      const shape = message.action === "content" && this.shapeOf(message);
      if (shape && !this.deps.home.isInMemory(id)) this.delivered.set(id, shape);
    } catch (error) {
      if (this.closed) return;
      this.refused.add(id);
      this.asked.get(id)?.abort();
      this.deps.refuse(toSpriteSyncError(error, "bad-message"), id);
    }
  }

  /** The usual case, without waiting: another message about a CoValue in memory, by known authors. */
  private needsNothing(message: SyncMessage): boolean {
    if (message.action !== "content") return !isReattach(message);
    const { home } = this.deps;
    if (!home.isInMemory(message.id)) return false;
    this.check(message);
    for (const id of dependenciesOf(home.node.getCoValue(message.id), message)) {
      if (!home.isInMemory(id)) return false;
    }
    return true;
  }

  /** How the changes of this content's value are read; `undefined` when neither we nor the content have its header. */
  private shapeOf({ id, header }: Content): ValueShape | undefined {
    const { node } = this.deps.home;
    const known = node.isCoValueInMemory(id) ? node.getCoValue(id).verified?.header : undefined;
    return known ?? header ?? (isCoValueId(id) ? this.delivered.get(id) : undefined);
  }

  /** @throws SpriteSyncError `bad-message` for what the node would take, and no reader of it could. */
  private check(content: Content): void {
    const shape = this.shapeOf(content);
    if (shape) checkChanges(shape, transactionsOf(content));
  }

  /** Resolves when `message` may go to the node, to `false` when it was answered here; rejects when it is refused. */
  private async prepare(id: CoValueId, message: SyncMessage): Promise<boolean> {
    const { home, reply } = this.deps;
    if (message.action !== "content") {
      reply(knownStateMessage("known", id, await home.durableState(id)));
      return true;
    }
    const core = await home.load(id);
    if (core) this.delivered.delete(id);
    this.check(message);
    if (!core && !this.delivered.has(id)) {
      const { header } = message;
      if (!header) return this.askForAll(id);
      await this.admitNew(id, message, header);
      this.deps.onNew(id);
    }
    await this.fetchDependencies(core, message);
    return true;
  }

  private askForAll(id: CoValueId): false {
    // Asking again for what was refused would go on for ever.
    if (this.refused.has(id)) throw new SpriteSyncError("foreign-covalue", "its header was refused");
    this.deps.reply(knownStateMessage("known", id, emptyKnownState(), { isCorrection: true }));
    return false;
  }

  private async admitNew(
    id: CoValueId,
    content: Content,
    header: NonNullable<Content["header"]>,
  ): Promise<void> {
    const routed = header as CoValueHeader;
    if (JSON.stringify(header).length > LIMITS.headerChars) {
      throw new SpriteSyncError("too-large", `a header of more than ${LIMITS.headerChars} characters`);
    }
    if (!provesId(id, routed)) {
      throw new SpriteSyncError("header-mismatch", "the header does not hash to the CoValue's id");
    }
    if (!this.deps.home.takesHeader(id, header)) {
      throw new SpriteSyncError("bad-message", "cojson reads the header in another way; it cannot be stored");
    }
    if (this.deps.peer().loadRequestSent.has(rawId(id))) return;
    const { residence } = this.deps.home;
    const candidate = { id, header: routed, transactions: transactionsOf(content) };
    let verdict = residence.judge(candidate);
    if (typeof verdict !== "string") {
      await this.findGroup(verdict.needs);
      verdict = residence.judge(candidate);
    }
    if (verdict !== "resident") {
      throw new SpriteSyncError(
        "foreign-covalue",
        "the CoValue belongs to another home, or its group is missing",
      );
    }
  }

  /**
   * Brings a group to memory, from the disk or from this upstream. The request is not the node's own, so the group is
   * judged like anything else that arrives, and refused when it lives elsewhere.
   */
  private async findGroup(group: CoValueId): Promise<void> {
    const { home, reply } = this.deps;
    if (await home.load(group)) return;
    let wait = this.asked.get(group);
    if (!wait) {
      wait = abortingAfter(LIMITS.ownerWaitMs);
      this.asked.set(group, wait);
      reply(knownStateMessage("load", group, emptyKnownState()));
    }
    await home.available(group, wait.signal).catch(() => {
      // Aborted: refused, missing or late. Whoever waits judges without it.
    });
    this.asked.delete(group);
  }

  private async fetchDependencies(core: CoValueCore | undefined, content: Content): Promise<void> {
    const { home, peer } = this.deps;
    const missing: string[] = [...dependenciesOf(core, content)].filter((id) => !home.isInMemory(id));
    if (missing.length === 0) return;
    if (!missing.every(isCoValueId)) {
      throw new SpriteSyncError("bad-message", "the content depends on something that is no CoValue id");
    }
    const { signal } = abortingAfter(LIMITS.ownerWaitMs);
    try {
      await Promise.all(missing.map((id) => home.fetch(id, peer(), signal)));
    } catch (error) {
      const reason = "what the content depends on did not arrive in time";
      throw new SpriteSyncError("missing-dependency", reason, { cause: error });
    }
  }
}

function abortingAfter(ms: number): AbortController {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), ms).unref();
  return controller;
}

function dependenciesOf(core: CoValueCore | undefined, content: Content): Set<CoValueCore["id"]> {
  const header = core?.verified?.header ?? content.header;
  if (!header) return new Set();
  const coSessions = Object.keys(content.new) as CoSessionId[];
  const transactions = Object.values(content.new).map(({ newTransactions }) => newTransactions);
  return cojsonInternals.getDependedOnCoValuesFromRawData(content.id, header, coSessions, transactions);
}

function transactionsOf(content: Content): (TransactionLike & CheckedTransaction)[] {
  return Object.values(content.new).flatMap(({ newTransactions }) => newTransactions);
}
