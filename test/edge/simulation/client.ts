import { isMarkId } from "../../../edge/marks.ts";
import type { CoValueId } from "../../../shared/ids.ts";
import {
  cloneKnownState,
  emptyKnownState,
  type KnownState,
  mergeKnownState,
} from "../../../shared/known-state.ts";
import { type End, Link } from "./network.ts";
import {
  type Claim,
  type Content,
  covers,
  hashOf,
  NodeModel,
  PeerModel,
  priorityOf,
  type Sync,
} from "./node-model.ts";
import { Outgoing } from "./outgoing.ts";
import { coSessionOf, dependenciesOf, type PoolValue, poolValue } from "./values.ts";
import type { World } from "./world.ts";

/** cojson-transport-ws hangs up after this long without a frame. */
const SILENCE_MS = 10_000;

/**
 * A browser: cojson's node as a client with one server, as jazz-tools connects it (persistent peer, so that what the
 * server surely has is remembered over reconnections). It has no storage: it has what is in memory.
 */
export class Client {
  readonly name: string;
  readonly coSession: string;
  readonly account: PoolValue | undefined;
  readonly node = new NodeModel();
  readonly #world: World;
  peer: PeerModel;
  #end: End | undefined;
  #outgoing: Outgoing;
  #lastFrame = 0;
  #awayMs = 0;
  /** What has arrived since it ceased to read. */
  #unread: string[] | undefined;
  #queued = new Map<CoValueId, Content[]>();
  #batches = 0;
  /** Values that it asked for and has not got. */
  readonly wanted = new Set<CoValueId>();
  /** What the server has said to be stored. */
  readonly acked = new Map<CoValueId, KnownState>();
  /** Since when it has been asking for a value on this connection: an answer is no older than that. */
  readonly askedAt = new Map<CoValueId, number>();
  readonly openBatches = new Set<string>();
  alive = true;
  /** Its cojson is older than 0.20.10: it answers no `reconcile`, and loads at each connection what marks named. */
  readonly #isOld: boolean;
  readonly #marked = new Set<CoValueId>();
  readonly #loadedMarks = new Set<CoValueId>();
  #invalidIds = 0;
  #pad: number;

  constructor(n: number, account: PoolValue | undefined, world: World, pad: number, isOld: boolean) {
    this.name = `${isOld ? "old client" : "client"} ${n}`;
    this.#isOld = isOld;
    this.coSession = coSessionOf(n, account);
    this.account = account;
    this.#world = world;
    this.#pad = pad;
    this.#outgoing = this.#newOutgoing();
    this.peer = this.#newPeer();
    if (account) this.node.memory.set(account.id, { header: true, sessions: {} });
  }

  get isConnected(): boolean {
    return this.#end !== undefined;
  }

  get quiet(): boolean {
    return this.wanted.size === 0 && this.openBatches.size === 0 && this.#loadedMarks.size === 0;
  }

  /** Whether it must get what is new of a value: of accounts, only if it asked for it (design §3.5). */
  follows(id: CoValueId): boolean {
    if (!this.node.memory.has(id)) return this.wanted.has(id);
    return poolValue(id).kind !== "account" || this.peer.loadSent.has(id);
  }

  connect(): void {
    if (!this.alive || this.#end) return;
    const { scheduler, chance, delay } = this.#world;
    const link = new Link(scheduler, chance, delay);
    const end = link.a;
    this.#end = end;
    this.#outgoing = this.#newOutgoing();
    this.#lastFrame = scheduler.time;
    this.#unread = undefined;
    end.onFrame = (frame) => {
      if (this.#unread) this.#unread.push(frame);
      else this.#run(() => this.#receive(frame));
    };
    end.onClose = () => this.#disconnected(end);
    this.#world.accept(this, link.b);
    this.#run(() => this.#reconcile());
  }

  /** Its line is slow: what it sends waits, and urgent values overtake others (cojson-transport-ws). */
  slow(ms: number): boolean {
    if (!this.#end) return false;
    this.#outgoing.block(ms);
    return true;
  }

  /** It reads nothing for a while: what it is sent piles up on the way. */
  hang(ms: number): boolean {
    if (!this.#end || this.#unread) return false;
    const unread: string[] = [];
    this.#unread = unread;
    this.#world.scheduler.later(ms, () => {
      if (this.#unread !== unread) return;
      this.#unread = undefined;
      // Its clock for silence stood still as well.
      this.#lastFrame = this.#world.scheduler.time;
      for (const frame of unread) this.#run(() => this.#receive(frame));
    });
    return true;
  }

  /** The line breaks. */
  drop(awayMs = 0): boolean {
    if (!this.#end) return false;
    this.#awayMs = awayMs;
    this.#end.link.break(4_000);
    return true;
  }

  /** The tab is closed, with all that only it has. */
  leave(): void {
    this.alive = false;
    this.#end?.close(1001);
    this.#end = undefined;
  }

  create(id: CoValueId): boolean {
    const { group } = poolValue(id);
    // Nobody can ask for an id and then find a header that hashes to it.
    if (this.node.memory.has(id) || this.wanted.has(id) || (group && !this.node.memory.has(group)))
      return false;
    this.#run(() => {
      this.node.memory.set(id, { header: true, sessions: {} });
      this.#send(id, 1, true);
    });
    return true;
  }

  /** An account is its owner's. */
  mayWrite(id: CoValueId): boolean {
    return poolValue(id).kind !== "account" || id === this.account?.id;
  }

  write(id: CoValueId, transactions: number): boolean {
    if (!this.node.memory.has(id)) return false;
    this.#run(() => this.#send(id, transactions, false));
    return true;
  }

  load(id: CoValueId): boolean {
    if (this.node.memory.has(id)) return false;
    this.#run(() => this.#ask(id));
    return true;
  }

  /** Forgets a value that is stored, as cojson's garbage collector does. */
  unload(id: CoValueId): boolean {
    const state = this.node.memory.get(id);
    const needed = [...this.node.memory].some(([other, { sessions }]) =>
      dependenciesOf(other, Object.keys(sessions)).has(id),
    );
    if (!state || needed || id === this.account?.id || !covers(this.peer.sure(id), state)) return false;
    this.node.memory.delete(id);
    this.peer.loadSent.delete(id);
    return true;
  }

  /** cojson's storage reconciliation. */
  reconcileAll(): boolean {
    if (!this.#end || this.node.memory.size === 0) return false;
    this.#run(() => {
      const values = [...this.node.memory].map(([id, state]) => [id, hashOf(state)] as const);
      const id = `batch-${this.name}-${this.#batches++}`;
      this.openBatches.add(id);
      this.peer.send({ action: "reconcile", id, values });
    });
    return true;
  }

  #run(work: () => void): void {
    work();
    this.#outgoing.flush();
  }

  #newOutgoing(): Outgoing {
    const { scheduler } = this.#world;
    const end = this.#end;
    const send = (frame: string) => {
      if (!end) return;
      this.#world.traceFrame(`${this.name} >`, frame);
      end.send(frame);
    };
    return new Outgoing({ now: () => scheduler.time, later: scheduler.later, send });
  }

  #newPeer(before?: PeerModel): PeerModel {
    return new PeerModel("server", (message) => this.#outgoing.push(message), before);
  }

  #disconnected(end: End): void {
    if (this.#end !== end) return;
    this.#world.trace(() => `${this.name} disconnected`);
    this.#end = undefined;
    // A batch is not sent again by itself: the next reconciliation covers it.
    this.openBatches.clear();
    this.askedAt.clear();
    const ms = this.#awayMs + this.#world.chance.between(200, 3_000);
    this.#awayMs = 0;
    if (this.alive) this.#world.scheduler.later(ms, () => this.connect());
  }

  /** `startPeerReconciliation`. */
  #reconcile(): void {
    this.peer = this.#newPeer(this.peer);
    for (const id of this.wanted) {
      this.peer.loadSent.add(id);
      this.#load(id, emptyKnownState());
      if (!this.peer.sure(id)) this.peer.set(id, emptyKnownState());
    }
    const seen = new Set<CoValueId>();
    const visit = (id: CoValueId) => {
      const state = this.node.memory.get(id);
      if (seen.has(id) || !state) return;
      seen.add(id);
      for (const needed of dependenciesOf(id, Object.keys(state.sessions))) visit(needed);
      if (!this.peer.sure(id)) this.peer.set(id, emptyKnownState());
      this.peer.loadSent.add(id);
      this.#load(id, state);
    };
    for (const id of this.node.memory.keys()) visit(id);
    this.#invalidIds = 0;
    this.#loadedMarks.clear();
    for (const id of this.#isOld ? this.#marked : []) {
      this.#loadedMarks.add(id);
      this.peer.send({ action: "load", id, ...emptyKnownState() });
    }
  }

  #ask(id: CoValueId): void {
    if (this.node.memory.has(id)) return;
    this.wanted.add(id);
    if (!this.#end || this.peer.loadSent.has(id)) return;
    this.peer.loadSent.add(id);
    this.#load(id, emptyKnownState());
  }

  #load(id: CoValueId, state: KnownState): void {
    this.peer.told.add(id);
    if (!this.askedAt.has(id)) this.askedAt.set(id, this.#world.scheduler.time);
    this.peer.send({ action: "load", id, ...cloneKnownState(state) });
  }

  /** `syncContent`: a local write goes out at once, whatever the server may lack of what was before it. */
  #send(id: CoValueId, transactions: number, withHeader: boolean): void {
    const state = this.node.memory.get(id);
    if (!state) return;
    const after = state.sessions[this.coSession] ?? 0;
    const reach = { header: withHeader, sessions: { [this.coSession]: after + transactions } };
    mergeKnownState(state, reach);
    const lastSignature = `signature_z${"1".repeat(1 + this.#pad * transactions)}`;
    const newTransactions = new Array<number>(transactions).fill(0);
    const content: Content = {
      action: "content",
      id,
      ...(withHeader && { header: poolValue(id).header }),
      priority: priorityOf(id),
      new: { [this.coSession]: { after, newTransactions, lastSignature } },
    };
    // Offline, the next reconciliation brings it.
    if (!this.#end) return;
    this.peer.send(content);
    this.peer.combineHoped(id, reach);
    this.peer.told.add(id);
  }

  #receive(frame: string): void {
    const { time } = this.#world.scheduler;
    if (time - this.#lastFrame > SILENCE_MS) this.#world.fail(`${this.name} heard nothing for 10 s`);
    this.#lastFrame = time;
    this.#world.traceFrame(`${this.name} <`, frame);
    for (const text of frame.split("\n")) {
      const message: Sync | { readonly action: undefined } = JSON.parse(text);
      if (message.action === "reconcile-ack") {
        this.openBatches.delete(message.id);
        this.#world.count("reconciled");
      } else if (message.action === "reconcile") {
        // It has no storage to compare; the edge asks with an empty one how far it has read.
        if (this.#isOld) this.#invalidId();
        else this.peer.send({ action: "reconcile-ack", id: message.id });
      } else if (message.action && isMarkId(message.id)) this.#meetMark(message);
      else if (message.action === "content") this.#content(message);
      else if (message.action === "known" || message.action === "load") this.#claim(message);
    }
  }

  /** An old client writes it to its console. */
  #invalidId(): void {
    if (++this.#invalidIds > 1)
      this.#world.fail(`${this.name} was asked again in a way that it does not know`);
  }

  /** The value of a mark exists nowhere: it is asked for when content comes without a header. */
  #meetMark({ action, id }: Content | Claim): void {
    if (action !== "content") {
      this.#loadedMarks.delete(id);
      return;
    }
    this.#marked.add(id);
    if (this.#isOld) this.#world.count("mark answered by an old client");
    this.peer.send({ action: "known", isCorrection: true, id, ...emptyKnownState() });
  }

  #claim(message: Claim): void {
    const { id, header, sessions, action, isCorrection } = message;
    this.#world.checkClaim(this, message);
    const had = this.acked.get(id) ?? emptyKnownState();
    this.acked.set(id, mergeKnownState(had, { header, sessions }));
    if (action === "load") {
      this.peer.set(id, { header, sessions });
      if (this.node.memory.has(id)) this.node.sendNew(id, this.peer, true);
      else {
        this.peer.told.add(id);
        this.peer.send({ action: "known", id, ...emptyKnownState() });
      }
    } else if (isCorrection) {
      this.#world.count("correction");
      this.node.correction(message, this.peer);
    } else {
      this.peer.combine(id, { header, sessions });
      // Not found: it may be asked for again.
      if (!header && !this.node.memory.has(id)) this.peer.loadSent.delete(id);
      this.node.sendNew(id, this.peer);
    }
  }

  #content(content: Content): void {
    const { id } = content;
    const missing = this.node.missing(content);
    if (missing.length > 0) {
      this.#queued.set(id, [...(this.#queued.get(id) ?? []), content]);
      this.#world.count("a client waits for a dependency");
      for (const needed of missing) this.#ask(needed);
      return;
    }
    if (!this.node.memory.has(id) && !content.header) {
      this.peer.send({ action: "known", isCorrection: true, id, ...emptyKnownState() });
      return;
    }
    this.wanted.delete(id);
    this.node.take(content, this.peer);
    if (this.peer.isSubscribed(id)) this.node.sendNew(id, this.peer);
    for (const [waiting, contents] of this.#queued) {
      if (contents.some((other) => this.node.missing(other).length > 0)) continue;
      this.#queued.delete(waiting);
      for (const other of contents) this.#content(other);
    }
  }
}
