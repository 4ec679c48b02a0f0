import type { PeerState, SyncMessage } from "cojson";
import { answerImpossible } from "../shared/answers.ts";
import { SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { type CoValueHeader, provesId } from "../shared/header.ts";
import { type CoValueId, isCoValueId } from "../shared/ids.ts";
import { emptyKnownState, knownStateMessage } from "../shared/known-state.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Message } from "../shared/messages.ts";
import type { TransactionLike } from "../shared/placement.ts";
import { type CheckedTransaction, checkChanges, type ValueShape } from "./change-check.ts";
import { abortingAfter, Dependencies, dependenciesOf } from "./dependencies.ts";
import { type Home, rawId } from "./home.ts";
import { overQuota, type Screened, StrangerGate } from "./stranger-gate.ts";
import { isReattach, readSyncMessage } from "./sync-message.ts";

type Content = Extract<SyncMessage, { action: "content" }>;

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
 * 5. Content of authors without a role passes only as long as there is room for it ({@link StrangerGate}).
 */
export class Admission {
  private readonly deps: AdmissionDeps;
  private readonly waiting = new Map<CoValueId, Waiting[]>();
  private waitingChars = 0;
  /** Groups asked for only to see whether they live here, each with what ends the wait for it. */
  private readonly asked = new Map<CoValueId, AbortController>();
  /** New CoValues handed to the node, which may be too busy to have taken them up yet. */
  private readonly delivered = new Map<CoValueId, CoValueHeader>();
  /** CoValues of which something was dropped because too much waited. */
  private readonly dropped = new Set<CoValueId>();
  /** New CoValues whose first content was refused: the rest of their content is, too. */
  private readonly refused = new Set<CoValueId>();
  private readonly gate: StrangerGate;
  private readonly dependencies: Dependencies;
  private closed = false;

  constructor(deps: AdmissionDeps) {
    this.deps = deps;
    this.gate = new StrangerGate({
      home: deps.home,
      ask: (id) => void this.askFor(id),
      refuse: deps.refuse,
    });
    this.dependencies = new Dependencies(deps.home, deps.peer);
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
    this.gate.answered(id, undefined);
    if (this.delivered.delete(id)) this.refused.add(id);
  }

  /** The node has answered content of a CoValue. @param isTaken whether it was right. */
  answered(id: CoValueId, isTaken: boolean): void {
    this.gate.answered(id, isTaken);
  }

  /** Forgets what waits. */
  close(): void {
    this.closed = true;
    this.gate.close();
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
    for (const id of ids) await this.askFor(id);
  }

  /** Asks for all of a CoValue that is not on disk. */
  private async askFor(id: CoValueId): Promise<void> {
    const durable = await this.deps.home.durableState(id);
    if (!this.closed) this.deps.reply(knownStateMessage("known", id, durable, { isCorrection: true }));
  }

  private async pass(id: CoValueId, message: SyncMessage): Promise<void> {
    try {
      const ready = this.needsNothing(message) ? message : await this.prepare(id, message);
      if (!ready || this.closed) return;
      this.deps.deliver(ready);
      this.refused.delete(id);
      if (ready.action === "content" && ready.header && !this.deps.home.isInMemory(id))
        this.delivered.set(id, ready.header as CoValueHeader);
    } catch (error) {
      if (this.closed) return;
      // Anything else that was refused may be on its way a second time, as what the content depends on.
      if (error instanceof SpriteSyncError && error.code === "over-quota") this.dependencies.refused(id);
      else this.refused.add(id);
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
    const core = home.node.getCoValue(message.id);
    for (const id of dependenciesOf(core, message)) {
      if (!home.isInMemory(id)) return false;
    }
    return this.gate.passes(core, message);
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

  /** Resolves to what may go to the node, to `undefined` when it was answered here; rejects when it is refused. */
  private async prepare(id: CoValueId, message: SyncMessage): Promise<SyncMessage | undefined> {
    const { home, reply } = this.deps;
    if (message.action !== "content") {
      reply(knownStateMessage("known", id, await home.durableState(id)));
      return message;
    }
    const core = await home.load(id);
    if (core) this.delivered.delete(id);
    this.check(message);
    const isNew = !core && !this.delivered.has(id);
    const header = (core?.verified?.header ?? message.header ?? this.delivered.get(id)) as
      | CoValueHeader
      | undefined;
    if (!header) return this.askForAll(id, message);
    if (isNew) await this.admitNew(id, message, header);
    const screened = await this.screen(id, header, message);
    try {
      if (!(await this.dependencies.fetch(core, header, screened))) {
        this.gate.failed(id, header, screened);
        await this.askFor(id);
        return undefined;
      }
    } catch (error) {
      this.gate.failed(id, header, screened);
      throw error;
    }
    if (isNew) this.deps.onNew(id);
    return screened.content;
  }

  /** Takes out what strangers may not store. Who is one is known when the group that owns the CoValue is in memory. */
  private async screen(id: CoValueId, header: CoValueHeader, content: Content): Promise<Screened> {
    const { home } = this.deps;
    if (header.ruleset.type === "ownedByGroup" && !home.isInMemory(header.ruleset.group))
      await this.findGroup(header.ruleset.group);
    // It may have come meanwhile.
    const core = home.isInMemory(id) ? home.node.getCoValue(rawId(id)) : undefined;
    const screened = this.gate.screen(id, core, header, content);
    await home.quota.saved();
    return screened;
  }

  private askForAll(id: CoValueId, content: Content): undefined {
    if (this.gate.isRefused(id, content)) throw overQuota();
    // Asking again for what was refused would go on for ever.
    if (this.refused.has(id)) throw new SpriteSyncError("foreign-covalue", "its header was refused");
    this.deps.reply(knownStateMessage("known", id, emptyKnownState(), { isCorrection: true }));
    return undefined;
  }

  private async admitNew(id: CoValueId, content: Content, header: CoValueHeader): Promise<void> {
    if (JSON.stringify(header).length > LIMITS.headerChars) {
      throw new SpriteSyncError("too-large", `a header of more than ${LIMITS.headerChars} characters`);
    }
    if (!provesId(id, header)) {
      throw new SpriteSyncError("header-mismatch", "the header does not hash to the CoValue's id");
    }
    if (!this.deps.home.takesHeader(id, header as NonNullable<Content["header"]>)) {
      throw new SpriteSyncError("bad-message", "cojson reads the header in another way; it cannot be stored");
    }
    if (this.deps.peer().loadRequestSent.has(rawId(id))) return;
    const { residence } = this.deps.home;
    const candidate = { id, header, transactions: transactionsOf(content) };
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
}

function transactionsOf(content: Content): (TransactionLike & CheckedTransaction)[] {
  return Object.values(content.new).flatMap(({ newTransactions }) => newTransactions);
}
