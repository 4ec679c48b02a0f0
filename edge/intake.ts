import { SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { provesId } from "../shared/header.ts";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import {
  emptyKnownState,
  type KnownState,
  knownStateMessage,
  mergeKnownState,
} from "../shared/known-state.ts";
import type { ContentMessage, DoneMessage, KnownMessage, LoadMessage } from "../shared/messages.ts";
import type { PlacementPolicy } from "../shared/placement.ts";
import { type Budget, ownText } from "./budget.ts";
import type { Directory } from "./directory.ts";
import { bytesOfMessage } from "./message-bytes.ts";
import { leaderOfContent, placeAll } from "./place.ts";
import { COST, entryBytes, type Remembered } from "./remembered.ts";

/** A client's message about one CoValue. */
export type ValueMessage = LoadMessage | KnownMessage | ContentMessage | DoneMessage;

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
}

/**
 * Finds the home of each message of a client and hands the messages on.
 *
 * 1. Messages about one id leave in the order they came in; ids do not wait for each other.
 * 2. Only a header that hashes to its id can place it.
 * 3. A value waits for its group and a group for its parent when those are on their way in this session.
 * 4. What is taken from `pending` is given back, whatever fails: a message is delivered, refused or dropped.
 */
export class Intake {
  readonly #deps: IntakeDeps;
  readonly #waiting = new Map<CoValueId, Waiting>();

  constructor(deps: IntakeDeps) {
    this.#deps = deps;
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
    }
    if (unknown.length > 0) this.#start(unknown);
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
    if (mayWait && this.#deps.pending.take(bytesOfMessage(message))) {
      waiting.messages.push({ ...message, text: ownText(message.text) });
    } else if (isQuestion(message)) waiting.unasked = true;
    else this.#drop(message, waiting);
    return !known;
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
      const { homes, unreachable } = await placeAll(this.#deps.directory, open, leaders);
      for (const id of open) if (!unreachable.has(id)) this.#release(id, homes.get(id));
      open = open.filter((id) => unreachable.has(id));
    }
  }

  /** The leaders of those ids whose waiting messages contain a header. Content that has none to read is refused. */
  #leadersOf(ids: readonly CoValueId[]): Map<CoValueId, CoValueId | undefined> {
    const leaders = new Map<CoValueId, CoValueId | undefined>();
    for (const id of ids) {
      const messages = this.#waiting.get(id)?.messages ?? [];
      for (let at = messages.findIndex(hasHeader); at >= 0; at = messages.findIndex(hasHeader)) {
        const content = messages[at] as ContentMessage;
        try {
          leaders.set(id, leaderOfContent(this.#deps.policy, content));
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
    if (dropped) this.#deps.dropped(id, home, dropped);
    if (unasked) this.#deps.deliver(emptyLoad(id), home);
  }
}

/** Whether an empty load says the same: a client that has nothing asks, or one that has lost what it had. */
function isQuestion(message: ValueMessage): boolean {
  return (
    (message.action === "load" && !message.state.header) ||
    (message.action === "known" && message.isCorrection)
  );
}

/** What the client has, as far as a message tells. */
function reachOf(message: ValueMessage): KnownState {
  if (message.action === "content") return { header: true, sessions: message.reaches };
  return message.action === "done" ? emptyKnownState() : message.state;
}

function emptyLoad(id: CoValueId): LoadMessage {
  const state = emptyKnownState();
  return { action: "load", id, state, text: knownStateMessage("load", id, state) };
}

function hasHeader(message: ValueMessage): message is ContentMessage {
  return message.action === "content" && message.header !== undefined;
}
