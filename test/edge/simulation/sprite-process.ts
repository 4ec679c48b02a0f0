import type { CoValueId, GroupId } from "../../../shared/ids.ts";
import {
  cloneKnownState,
  emptyKnownState,
  type KnownState,
  mergeKnownState,
} from "../../../shared/known-state.ts";
import type { End } from "./network.ts";
import {
  type Claim,
  type Content,
  covers,
  hashOf,
  NodeModel,
  PeerModel,
  type Reconcile,
  reachOf,
  type Sync,
} from "./node-model.ts";
import type { Scheduler } from "./scheduler.ts";
import { dependenciesOf, poolValue } from "./values.ts";

/** What survives a Sprite's process. */
export interface Disk {
  values: Map<CoValueId, KnownState>;
  /** How many awake periods it has counted; `undefined` on a new disk. */
  periods: number | undefined;
}

export interface ProcessDeps {
  readonly home: GroupId;
  readonly boot: string;
  readonly disk: Disk;
  readonly scheduler: Scheduler;
  readonly sleepAfterMs: number;
  /** How long the disk takes now. */
  readonly diskMs: () => number;
  /** Something is on disk from now on. */
  readonly onDurable: (id: CoValueId, state: KnownState) => void;
  readonly onAsleep: () => void;
  readonly count: (what: string) => void;
}

const OWNER_WAIT_MS = 30_000;
const EXIT_MS = 400;

interface Held {
  readonly claim: Sync;
  readonly number: number;
}

/** One socket as one peer: admission, node, ack gate, as sprite/upstream.ts has them. */
class Upstream {
  readonly end: End;
  readonly peer: PeerModel;
  /** By CoValue, messages that wait for the disk or a dependency; the first is being worked on. */
  readonly waiting = new Map<CoValueId, (Claim | Content)[]>();
  readonly held = new Map<CoValueId | "", Held[]>();
  readonly asked = new Set<CoValueId>();
  readonly refused = new Set<CoValueId>();
  readonly batches = new Map<string, Set<CoValueId>>();
  frame: string[] = [];

  constructor(end: End, push: (message: Sync) => void) {
    this.end = end;
    this.peer = new PeerModel("client", push);
  }

  flush(): void {
    const { frame } = this;
    if (frame.length === 0) return;
    this.frame = [];
    this.end.send(frame.join("\n"));
  }
}

/**
 * A Sprite's process: cojson's node with a disk, as sprite/*.ts run it. Claims leave only when they are durable; content
 * leaves at once; a message waits for what it depends on.
 */
export class SpriteProcess {
  readonly deps: ProcessDeps;
  readonly boot: string;
  readonly node = new NodeModel();
  readonly upstreams = new Set<Upstream>();
  phase: "open" | "asleep" | "dead" = "open";
  /** Frames wait while the host is paused. */
  paused = false;
  #frozen: (() => void)[] = [];
  #lazy = new Set<CoValueId>();
  #lastActivity: number;
  #begun = 0;
  #stores = new Map<number, { id: CoValueId; reach: KnownState }>();
  #lastDone = 0;
  #watchers = new Map<CoValueId, (() => void)[]>();
  #undecided: { upstream: Upstream; claim: Sync }[] = [];

  constructor(deps: ProcessDeps) {
    this.deps = deps;
    this.boot = deps.boot;
    this.#lastActivity = deps.scheduler.time;
    this.#checkLater();
    this.#pingLater();
  }

  get pendingStores(): number {
    return this.#stores.size;
  }

  /** How long until it falls asleep if nothing happens. */
  get msToSleep(): number {
    return Math.max(0, this.#lastActivity + this.deps.sleepAfterMs - this.deps.scheduler.time);
  }

  touch(): void {
    this.#lastActivity = this.deps.scheduler.time;
  }

  attach(end: End, hello: string): void {
    const upstream: Upstream = new Upstream(end, (message) => this.#push(upstream, message));
    this.upstreams.add(upstream);
    end.onFrame = (data) => this.#run(() => this.#receive(upstream, data));
    end.onClose = () => this.#run(() => this.upstreams.delete(upstream));
    upstream.frame.push(hello, PING);
    upstream.flush();
  }

  /** The process is gone, without a word. */
  kill(): void {
    this.phase = "dead";
    for (const { end } of this.upstreams) end.link.break(200);
    this.upstreams.clear();
  }

  resume(): void {
    this.paused = false;
    for (const work of this.#frozen.splice(0)) this.#run(work);
  }

  /** Whatever happens in the process happens through here: nothing when it is dead, later when it is paused. */
  #run(work: () => void): void {
    if (this.phase === "dead") return;
    if (this.paused) this.#frozen.push(work);
    else {
      work();
      this.#decide();
      for (const upstream of this.upstreams) upstream.flush();
    }
  }

  #later(ms: number, work: () => void): void {
    this.deps.scheduler.later(ms, () => this.#run(work));
  }

  #checkLater(): void {
    this.#later(Math.max(100, this.#lastActivity + this.deps.sleepAfterMs - this.deps.scheduler.time), () => {
      if (this.phase === "open" && !this.#fallAsleep()) this.#checkLater();
    });
  }

  #pingLater(): void {
    this.#later(3_000, () => {
      if (this.phase !== "open") return;
      for (const { frame } of this.upstreams) frame.push(PING);
      this.#pingLater();
    });
  }

  #fallAsleep(): boolean {
    for (const { waiting } of this.upstreams) if (waiting.size > 0) this.touch();
    const quiet = this.deps.scheduler.time - this.#lastActivity >= this.deps.sleepAfterMs;
    if (!quiet || this.#stores.size > 0) return false;
    this.phase = "asleep";
    for (const upstream of this.upstreams) {
      upstream.flush();
      upstream.end.close(4900, this.boot);
    }
    this.upstreams.clear();
    this.deps.scheduler.later(EXIT_MS, () => {
      if (this.phase === "asleep") this.deps.onAsleep();
    });
    return true;
  }

  // Out: node → ack gate → frame.

  #push(upstream: Upstream, message: Sync): void {
    this.touch();
    const empty = (claim: Claim) => !claim.header && Object.keys(claim.sessions).length === 0;
    const claims =
      message.action === "reconcile-ack" ||
      ((message.action === "known" || message.action === "load") && !empty(message));
    if (claims) this.#undecided.push({ upstream, claim: message });
    else upstream.frame.push(JSON.stringify(message));
  }

  #decide(): void {
    for (const { upstream, claim } of this.#undecided.splice(0)) {
      const key = claim.action === "reconcile-ack" || claim.action === "reconcile" ? "" : claim.id;
      const queue = upstream.held.get(key);
      const held = { claim, number: this.#begun };
      if (queue) queue.push(held);
      else if (this.#isTrue(held)) upstream.frame.push(JSON.stringify(claim));
      else upstream.held.set(key, [held]);
    }
  }

  #isTrue({ claim, number }: Held): boolean {
    const open = [...this.#stores].filter(([store]) => store <= number);
    if (claim.action === "reconcile-ack" || claim.action === "reconcile") return open.length === 0;
    if (!open.some(([, { id }]) => id === claim.id)) return true;
    return claim.action !== "content" && covers(this.deps.disk.values.get(claim.id), claim);
  }

  #store(content: Content): void {
    const number = ++this.#begun;
    const reach = reachOf(content);
    reach.header = true;
    this.#stores.set(number, { id: content.id, reach });
    // Group commit: stores end in the order they began.
    this.#lastDone = Math.max(this.#lastDone, this.deps.scheduler.time + this.deps.diskMs());
    this.#later(this.#lastDone - this.deps.scheduler.time, () => {
      const { values } = this.deps.disk;
      values.set(content.id, mergeKnownState(values.get(content.id) ?? emptyKnownState(), reach));
      this.deps.onDurable(content.id, reach);
      this.#stores.delete(number);
      for (const upstream of this.upstreams) {
        this.#release(upstream, content.id);
        this.#release(upstream, "");
      }
    });
  }

  #release(upstream: Upstream, key: CoValueId | ""): void {
    const queue = upstream.held.get(key);
    for (let first = queue?.[0]; queue && first && this.#isTrue(first); first = queue[0]) {
      upstream.frame.push(JSON.stringify(first.claim));
      queue.shift();
    }
    if (queue?.length === 0) upstream.held.delete(key);
  }

  // In: frame → admission → node.

  #receive(upstream: Upstream, data: string): void {
    if (!this.upstreams.has(upstream)) {
      this.deps.count("message during closing");
      return;
    }
    for (const text of data.split("\n")) {
      const message: Sync = JSON.parse(text);
      this.touch();
      if (message.action === "reconcile") this.#reconcile(upstream, message);
      else if (message.action !== "reconcile-ack") this.#admit(upstream, message);
    }
  }

  #admit(upstream: Upstream, message: Claim | Content): void {
    const queue = upstream.waiting.get(message.id);
    if (queue) queue.push(message);
    else if (this.#needsNothing(message)) this.#deliver(upstream, message);
    else {
      upstream.waiting.set(message.id, [message]);
      this.#work(upstream, message.id);
    }
  }

  #needsNothing(message: Claim | Content): boolean {
    if (message.action !== "content") return message.reattach !== true;
    return this.node.memory.has(message.id) && this.node.missing(message).length === 0;
  }

  #work(upstream: Upstream, id: CoValueId): void {
    const queue = upstream.waiting.get(id);
    const message = queue?.[0];
    if (!queue || !message || !this.upstreams.has(upstream)) return;
    const done = (deliver: boolean) => {
      if (!this.upstreams.has(upstream)) return;
      if (deliver) {
        this.#deliver(upstream, message);
        upstream.refused.delete(id);
      }
      queue.shift();
      if (queue.length === 0) upstream.waiting.delete(id);
      else this.#work(upstream, id);
    };
    if (this.#needsNothing(message)) done(true);
    else if (message.action === "content") this.#prepare(upstream, message, done);
    else {
      this.#later(this.deps.diskMs() / 4, () => {
        const durable = this.deps.disk.values.get(id) ?? emptyKnownState();
        upstream.frame.push(JSON.stringify({ action: "known", id, ...durable }));
        done(true);
      });
    }
  }

  #prepare(upstream: Upstream, content: Content, done: (deliver: boolean) => void): void {
    const { id } = content;
    const refuse = (code: string) => {
      upstream.refused.add(id);
      this.deps.count(`refused: ${code}`);
      upstream.frame.push(JSON.stringify({ type: "error", code, id, message: "refused" }));
      done(false);
    };
    const fetch = () => {
      const missing = this.node.missing(content);
      for (const needed of missing) this.#fetch(upstream, needed);
      this.#whenInMemory(missing, (all) => (all ? done(true) : refuse("missing-dependency")));
    };
    this.#load(id, () => {
      if (this.node.memory.has(id)) return fetch();
      if (!content.header) {
        if (upstream.refused.has(id)) return refuse("foreign-covalue");
        const nothing = { action: "known", id, isCorrection: true, ...emptyKnownState() };
        upstream.frame.push(JSON.stringify(nothing));
        return done(false);
      }
      const { home, group } = poolValue(id);
      if (upstream.peer.loadSent.has(id) || id === this.deps.home) return fetch();
      if (home !== this.deps.home || !group) return refuse("foreign-covalue");
      this.#findGroup(upstream, group, (found) => (found ? fetch() : refuse("foreign-covalue")));
    });
  }

  #findGroup(upstream: Upstream, group: CoValueId, then: (found: boolean) => void): void {
    this.#load(group, () => {
      if (this.node.memory.has(group)) return then(true);
      if (!upstream.asked.has(group)) {
        upstream.asked.add(group);
        upstream.frame.push(JSON.stringify({ action: "load", id: group, ...emptyKnownState() }));
      }
      this.#whenInMemory([group], (found) => {
        upstream.asked.delete(group);
        then(found);
      });
    });
  }

  #fetch(upstream: Upstream, id: CoValueId): void {
    this.#load(id, () => {
      if (this.node.memory.has(id) || upstream.peer.loadSent.has(id)) return;
      upstream.peer.loadSent.add(id);
      upstream.peer.told.add(id);
      this.deps.count("dependency asked of a client");
      this.#push(upstream, { action: "load", id, ...emptyKnownState() });
    });
  }

  /** Brings a value to memory, with what it needs, if the disk has it. */
  #load(id: CoValueId, then: () => void): void {
    if (this.node.memory.has(id)) {
      then();
      return;
    }
    this.#later(this.deps.diskMs() / 4, () => {
      this.#toMemory(id);
      then();
    });
  }

  #toMemory(id: CoValueId): void {
    const stored = this.deps.disk.values.get(id);
    if (!stored?.header || this.node.memory.has(id)) return;
    const needs = dependenciesOf(id, Object.keys(stored.sessions));
    for (const needed of needs) this.#toMemory(needed);
    if ([...needs].some((needed) => !this.node.memory.has(needed))) return;
    this.#arrived(id, () => this.node.memory.set(id, cloneKnownState(stored)));
  }

  #arrived(id: CoValueId, how: () => void): void {
    how();
    for (const wake of this.#watchers.get(id)?.splice(0) ?? []) wake();
  }

  #whenInMemory(ids: readonly CoValueId[], then: (all: boolean) => void): void {
    const left = ids.find((id) => !this.node.memory.has(id));
    if (!left) {
      then(true);
      return;
    }
    let over = false;
    const once = (next: () => void) => () => {
      if (over) return;
      over = true;
      next();
    };
    const wakers = this.#watchers.get(left) ?? [];
    this.#watchers.set(left, wakers);
    // Not within the run that brought it.
    wakers.push(() =>
      this.#later(
        0,
        once(() => this.#whenInMemory(ids, then)),
      ),
    );
    this.#later(
      OWNER_WAIT_MS,
      once(() => then(false)),
    );
  }

  #deliver(upstream: Upstream, message: Claim | Content): void {
    const { peer } = upstream;
    if (message.action === "content") this.#content(upstream, message);
    else if (message.action === "load") this.#loaded(upstream, message);
    else if (message.isCorrection) this.node.correction(message, peer);
    else this.#known(upstream, message);
  }

  #content(upstream: Upstream, content: Content): void {
    if (!this.node.memory.has(content.id) && !content.header) return;
    let news = false;
    this.#arrived(content.id, () => {
      news = this.node.take(content, upstream.peer).news;
    });
    if (news) this.#store(content);
    this.#reconciled(upstream, content.id);
    for (const { peer } of this.upstreams)
      if (peer.isSubscribed(content.id)) this.node.sendNew(content.id, peer);
  }

  #loaded(upstream: Upstream, { id, header, sessions }: Claim): void {
    const { peer } = upstream;
    peer.set(id, { header, sessions });
    if (this.node.memory.has(id)) {
      this.node.sendNew(id, peer, true);
      return;
    }
    this.#later(this.deps.diskMs() / 4, () => {
      const stored = this.deps.disk.values.get(id);
      const has = peer.hoped(id);
      if (!this.node.memory.has(id) && stored && has?.header && covers(has, stored)) {
        peer.told.add(id);
        this.#lazy.add(id);
        this.#push(upstream, { action: "known", id, ...cloneKnownState(stored) });
        return;
      }
      this.#toMemory(id);
      if (this.node.memory.has(id)) return this.node.sendNew(id, peer, true);
      peer.told.add(id);
      this.#push(upstream, { action: "known", id, ...emptyKnownState() });
    });
  }

  #known(upstream: Upstream, { id, header, sessions }: Claim): void {
    const { peer } = upstream;
    peer.combine(id, { header, sessions });
    if (this.node.memory.has(id)) this.node.sendNew(id, peer);
    else if (
      this.#lazy.has(id) &&
      !covers(peer.sure(id), this.deps.disk.values.get(id) ?? emptyKnownState())
    ) {
      this.#load(id, () => this.node.sendNew(id, peer));
    }
    this.#reconciled(upstream, id);
  }

  #reconcile(upstream: Upstream, { id: batch, values }: Reconcile): void {
    const pending = new Set<CoValueId>();
    for (const [id, hash] of values) {
      const state = this.node.memory.get(id) ?? this.deps.disk.values.get(id);
      if (state && hashOf(state) === hash) continue;
      pending.add(id);
      upstream.peer.told.add(id);
      this.#push(upstream, { action: "load", id, ...cloneKnownState(state ?? emptyKnownState()) });
    }
    if (pending.size > 0) upstream.batches.set(batch, pending);
    else this.#push(upstream, { action: "reconcile-ack", id: batch });
  }

  #reconciled(upstream: Upstream, id: CoValueId): void {
    for (const [batch, pending] of upstream.batches) {
      if (!pending.delete(id) || pending.size > 0) continue;
      upstream.batches.delete(batch);
      this.#push(upstream, { action: "reconcile-ack", id: batch });
    }
  }
}

const PING = '{"type":"ping","time":1,"dc":"sprite"}';
