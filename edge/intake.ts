import { SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { isAccountHeader, isGroupHeader, provesId } from "../shared/header.ts";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import { emptyKnownState, type KnownState, mergeKnownState } from "../shared/known-state.ts";
import { LIMITS } from "../shared/limits.ts";
import type { ContentMessage } from "../shared/messages.ts";
import type { PlacementPolicy } from "../shared/placement.ts";
import { type Budget, ownText } from "./budget.ts";
import type { CreationProofs, ProofVerdict } from "./creation-proof.ts";
import type { Directory } from "./directory.ts";
import { bytesOfMessage } from "./message-bytes.ts";
import { Needs } from "./needs.ts";
import { leaderOfContent, placeAll } from "./place.ts";
import { COST, entryBytes, type Remembered } from "./remembered.ts";
import { emptyLoad, hasHeader, isContent, isQuestion, reachOf, type ValueMessage } from "./value-message.ts";

/** Groups that are each the parent of the next one, and wait for their homes in one session. */
const LONGEST_CHAIN = 64;

interface Waiting {
  readonly messages: ValueMessage[];
  /** What the content reaches that was dropped because too much waits; the client has to send that again. */
  dropped: KnownState | undefined;
  /** So was a question for a value that the client does not have: it would not ask again. */
  unasked: boolean;
  /** Charged for all of this but the messages. */
  remembered: number;
  /** Resolves when the home of this id has been found or given, or there surely is none. */
  settled: Promise<void>;
  /** What its own content proves, as far as it was looked at. */
  verdict?: ProofVerdict;
  /** Whose home it shares. */
  leader?: CoValueId | undefined;
  /** Its leader was waited for in vain: it may be a home of its own. */
  isAlone?: boolean;
}

export interface IntakeDeps {
  readonly directory: Directory;
  readonly policy: PlacementPolicy;
  /** Takes a message whose home is known; `undefined`: no directory entry knows the id, and the message gives it none. */
  readonly deliver: (message: ValueMessage, home: GroupId | undefined) => void;
  readonly refuse: (message: ValueMessage, error: SpriteSyncError) => void;
  /** Content of a value was dropped here, behind what was delivered. It reached `state`. */
  readonly dropped: (id: CoValueId, home: GroupId | undefined, state: KnownState) => void;
  /** Resolves after a pause that grows with `attempt`; rejects when the session ends. */
  readonly pause: (attempt: number) => Promise<void>;
  /** For what waits; past it content is dropped and asked for again. */
  readonly pending: Budget;
  /** For the rest of what is known of an id that waits; past it messages are refused. */
  readonly remembered: Remembered;
  readonly proofs: CreationProofs;
  /** Asks the client for a value that others need to get a home. */
  readonly ask: (id: CoValueId) => void;
}

/**
 * Finds the home of each message of a client and hands the messages on.
 *
 * 1. Messages about one id leave in the order they came in; ids do not wait for each other.
 * 2. Only a header that hashes to its id can place it, and only signed content makes it a home of its own.
 * 3. A value waits for its group, a group for its parent, and a new home for what proves it; for a bounded time.
 * 4. What is taken from `pending` is given back, whatever fails: a message is delivered, refused or dropped.
 */
export class Intake {
  readonly #deps: IntakeDeps;
  readonly #waiting = new Map<CoValueId, Waiting>();
  readonly #needs: Needs;

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
    this.#needs = new Needs({
      ...deps,
      retry: (ids) => this.#resolve(ids),
      comes: (id) => this.#waiting.has(id),
    });
  }

  /** Whether nothing waits. */
  get isIdle(): boolean {
    return this.#waiting.size === 0;
  }

  /** The messages of one frame. Those whose homes are cached are delivered before this returns. */
  accept(messages: readonly ValueMessage[]): void {
    const unknown: CoValueId[] = [];
    for (const message of messages) {
      if (message.action === "content" && message.header && !provesId(message.id, message.header)) {
        const text = `the header sent for ${message.id} does not hash to that id; it is not stored`;
        this.#deps.refuse(message, new SpriteSyncError("header-mismatch", text));
        continue;
      }
      const home = this.#waiting.has(message.id) ? undefined : this.#deps.directory.cached(message.id);
      if (home) this.#deps.deliver(message, home);
      else if (this.#hold(message)) unknown.push(message.id);
      this.#tellNeeds(message);
    }
    if (unknown.length > 0) this.#start(unknown);
  }

  /** What waits for this message can go on. */
  #tellNeeds(message: ValueMessage): void {
    const { id } = message;
    if (message.action === "known" && !message.state.header) this.#needs.isMissing(id);
    if (message.action !== "content") return;
    if (message.header) this.#deps.proofs.learn(message);
    const header = message.header ?? this.#waiting.get(id)?.messages.find(hasHeader)?.header;
    if (header && (isAccountHeader(header) || this.#deps.proofs.mayProve(header, message)))
      this.#needs.came(id);
  }

  /** @returns whether this is the first message that waits for its id. */
  #hold(message: ValueMessage): boolean {
    const known = this.#waiting.get(message.id);
    if (!known && !this.#deps.remembered.take(COST.waitingId)) {
      this.#refuseFor(message);
      return false;
    }
    const waiting: Waiting = known ?? {
      messages: [],
      dropped: undefined,
      unasked: false,
      remembered: COST.waitingId,
      settled: Promise.resolve(),
    };
    if (!known) this.#waiting.set(message.id, waiting);
    // What follows dropped content would leave a hole before it.
    const mayWait = message.action !== "content" || !waiting.dropped;
    if (mayWait && this.#takeRoom(message, waiting)) {
      waiting.messages.push({ ...message, text: ownText(message.text) });
    } else if (isQuestion(message)) waiting.unasked = true;
    else this.#drop(message, waiting);
    return !known;
  }

  /** What others wait for has room of its own for its first message: dropped, it would keep them waiting. */
  #takeRoom(message: ValueMessage, { messages }: Waiting): boolean {
    const bytes = bytesOfMessage(message);
    if (this.#deps.pending.take(bytes)) return true;
    const isAwaited = messages.length === 0 && bytes <= LIMITS.headerChars && this.#needs.has(message.id);
    if (isAwaited) this.#deps.pending.charge(bytes);
    return isAwaited;
  }

  #drop(message: ValueMessage, waiting: Waiting): void {
    const reach = reachOf(message);
    const bytes = entryBytes(Object.keys(reach.sessions));
    if (!this.#deps.remembered.take(bytes, reach.sessions)) {
      this.#refuseFor(message);
      return;
    }
    waiting.remembered += bytes;
    waiting.dropped = mergeKnownState(waiting.dropped ?? emptyKnownState(), reach);
  }

  #refuseFor(message: ValueMessage): void {
    if (message.action === "known" && !message.state.header && !message.isCorrection) {
      // The client has not what a reconciliation asked it for, which holds more memory than this message needs.
      this.#deps.deliver(message, undefined);
      return;
    }
    const what = `a \`${message.action}\` of ${message.id} was refused`;
    this.#deps.refuse(message, this.#deps.remembered.refusal(what));
  }

  #start(ids: readonly CoValueId[]): void {
    const settled = this.#resolve(ids).catch((error: unknown) => this.#giveUp(ids, error));
    for (const id of ids) {
      const waiting = this.#waiting.get(id);
      if (waiting) waiting.settled = settled;
    }
  }

  async #resolve(ids: readonly CoValueId[]): Promise<void> {
    let open = ids;
    for (let attempt = 0; open.length > 0; attempt++) {
      try {
        if (attempt > 0) await this.#deps.pause(attempt);
      } catch {
        // The session ended; its client sends everything again to the next one.
        return;
      }
      const leaders = this.#leadersOf(open);
      await this.#leadersOnTheirWay(open, leaders);
      const { homes, unreachable, waiting } = await placeAll(this.#deps.directory, open, leaders, (id) =>
        this.#proves(id),
      );
      for (const id of open) {
        if (waiting.has(id)) this.#needsMore(id);
        else if (!unreachable.has(id)) this.#release(id, homes.get(id));
      }
      open = open.filter((id) => unreachable.has(id));
    }
  }

  /** The leaders of those ids whose waiting messages contain a header. Content that has none to read is refused. */
  #leadersOf(ids: readonly CoValueId[]): Map<CoValueId, CoValueId | undefined> {
    const leaders = new Map<CoValueId, CoValueId | undefined>();
    for (const id of ids) {
      const waiting = this.#waiting.get(id);
      const messages = waiting?.messages ?? [];
      for (let at = messages.findIndex(hasHeader); waiting && at >= 0; at = messages.findIndex(hasHeader)) {
        const content = messages[at] as ContentMessage;
        try {
          waiting.leader = waiting.isAlone ? undefined : leaderOfContent(this.#deps.policy, content);
          leaders.set(id, waiting.leader);
          break;
        } catch (error) {
          messages.splice(at, 1);
          this.#refuse(content, error);
        }
      }
    }
    return leaders;
  }

  /** Something failed that should not: nothing of these ids waits any longer. */
  #giveUp(ids: readonly CoValueId[], error: unknown): void {
    for (const id of ids) {
      const { messages = [], remembered = 0 } = this.#waiting.get(id) ?? {};
      this.#waiting.delete(id);
      this.#deps.remembered.give(remembered);
      for (const message of messages) this.#refuse(message, error);
    }
  }

  #refuse(message: ValueMessage, error: unknown): void {
    this.#deps.pending.give(bytesOfMessage(message));
    this.#deps.refuse(message, toSpriteSyncError(error, "bad-message"));
  }

  async #leadersOnTheirWay(
    ids: readonly CoValueId[],
    leaders: ReadonlyMap<CoValueId, CoValueId | undefined>,
  ): Promise<void> {
    const own = new Set(ids);
    // Waits go to earlier frames only, so they cannot form a circle.
    const earlier = [...leaders.values()].filter((leader) => leader !== undefined && !own.has(leader));
    await Promise.all(earlier.map((leader) => leader && this.#waiting.get(leader)?.settled));
  }

  /** Whether an id may become a home, by the content of it that waits. */
  async #proves(id: CoValueId): Promise<boolean> {
    const waiting = this.#waiting.get(id);
    if (!waiting || waiting.verdict?.kind === "proven") return waiting !== undefined;
    waiting.verdict = await this.#deps.proofs.prove(waiting.messages.filter(isContent));
    return waiting.verdict.kind === "proven";
  }

  /** An id can have no home yet: it waits for what it lacks, or is refused when that does not come. */
  #needsMore(id: CoValueId): void {
    const waiting = this.#waiting.get(id);
    if (!waiting) return;
    const { verdict, leader } = waiting;
    if (leader) {
      if (!this.#isCircle(id) && this.#needs.add(id, leader, { atOnce: false })) return;
      waiting.isAlone = waiting.messages
        .filter(hasHeader)
        .some(({ header }) => header && isGroupHeader(header));
      if (waiting.isAlone) void this.#resolve([id]);
      else this.#reject(id, groupIsMissing(leader));
    } else if (verdict?.kind === "wrong") this.#reject(id, verdict.error);
    else {
      const account = verdict?.kind === "needs-account" ? verdict.account : undefined;
      const mayWait = this.#needs.add(id, account ?? id, { atOnce: account !== undefined });
      if (!mayWait) this.#reject(id, isUnsigned(account));
    }
  }

  /** Whether what an id waits for waits for the id; or perhaps, past as many steps as no real chain of groups has. */
  #isCircle(id: CoValueId): boolean {
    let leader = this.#waiting.get(id)?.leader;
    for (let step = 0; leader; step++) {
      if (leader === id || step === LONGEST_CHAIN) return true;
      leader = this.#waiting.get(leader)?.leader;
    }
    return false;
  }

  /** Gives up what waits for an id that gets no home. */
  #reject(id: CoValueId, error: SpriteSyncError): void {
    const { messages = [], unasked = false, remembered = 0 } = this.#waiting.get(id) ?? {};
    this.#waiting.delete(id);
    this.#deps.remembered.give(remembered);
    const content = messages.find(isContent);
    if (content) this.#deps.refuse(content, error);
    for (const message of messages) {
      this.#deps.pending.give(bytesOfMessage(message));
      if (!isContent(message)) this.#deps.deliver(message, undefined);
    }
    if (unasked) this.#deps.deliver(emptyLoad(id), undefined);
    this.#needs.isMissing(id, { isRefused: true });
  }

  #release(id: CoValueId, home: GroupId | undefined): void {
    const { messages = [], dropped, unasked = false, remembered = 0 } = this.#waiting.get(id) ?? {};
    this.#waiting.delete(id);
    this.#deps.remembered.give(remembered);
    for (const [index, message] of messages.entries()) {
      if (!home && hasHeader(message)) {
        // It came after the question was asked: with it the id can be placed.
        const rest = messages.slice(index);
        this.#deps.remembered.charge(remembered);
        this.#waiting.set(id, { messages: rest, dropped, unasked, remembered, settled: Promise.resolve() });
        this.#start([id]);
        return;
      }
      this.#deps.pending.give(bytesOfMessage(message));
      this.#deps.deliver(message, home);
    }
    if (home) this.#needs.came(id);
    if (dropped) this.#deps.dropped(id, home, dropped);
    if (unasked) this.#deps.deliver(emptyLoad(id), home);
  }
}

function groupIsMissing(group: CoValueId): SpriteSyncError {
  const text = `its group ${group} was never stored and did not come with it: send the group as well`;
  return new SpriteSyncError("missing-dependency", text);
}

function isUnsigned(account: CoValueId | undefined): SpriteSyncError {
  const what = account
    ? `its first transactions are signed by ${account}, which did not come: send that account as well`
    : "its first transactions, signed by its initial admin, did not come: send them with the header";
  return new SpriteSyncError("unproven", `the new value gets no Sprite: ${what}`);
}
