import { type Digest, digestMessage } from "../../../shared/digest.ts";
import type { CoValueId, GroupId } from "../../../shared/ids.ts";
import type { KnownState } from "../../../shared/known-state.ts";
import { CLOSE, LIMITS } from "../../../shared/limits.ts";
import type { End } from "./network.ts";
import type { Scheduler } from "./scheduler.ts";
import { ServerNode } from "./server-node.ts";
import { SpriteUpstream } from "./sprite-upstream.ts";
import { type Disk, Stores } from "./stores.ts";

export interface ProcessDeps {
  readonly home: GroupId;
  readonly boot: string;
  readonly disk: Disk;
  readonly scheduler: Scheduler;
  readonly sleepAfterMs: number;
  /** How many messages of an upstream may wait. */
  readonly room: number;
  readonly newMark: () => string;
  /** How long it takes to make a digest, whether it can be made, and whether it is complete. */
  readonly digest: () => { readonly ms: number; readonly made: boolean; readonly complete: boolean };
  /** Tells the edge the digest, when nobody is attached. */
  readonly sayLastWord: (digest: Digest) => void;
  /** How long the disk takes now. */
  readonly diskMs: () => number;
  /** Something is on disk from now on. */
  readonly onDurable: (id: CoValueId, state: KnownState) => void;
  /** It fell asleep or was stopped, in order, and has ended. */
  readonly onEnd: (phase: "asleep" | "stopping") => void;
  readonly count: (what: string) => void;
}

const EXIT_MS = 400;
const PING = '{"type":"ping","time":1,"dc":"sprite"}';

/**
 * A Sprite's process: cojson's node with a disk, as `sprite/sprite.ts` runs it. Claims leave only when they are durable;
 * content leaves at once; a message waits for what it depends on.
 */
export class SpriteProcess {
  readonly #deps: ProcessDeps;
  readonly boot: string;
  readonly node: ServerNode;
  readonly upstreams = new Set<SpriteUpstream>();
  phase: "open" | "asleep" | "stopping" | "dead" = "open";
  readonly #stores: Stores;
  /** What would have happened since the host was paused. */
  #frozen: (() => void)[] | undefined;
  #lastRun: number;
  #lastActivity: number;

  constructor(deps: ProcessDeps) {
    this.#deps = deps;
    this.boot = deps.boot;
    this.#lastActivity = deps.scheduler.time;
    this.#lastRun = deps.scheduler.time;
    const { later } = this;
    const { disk, diskMs, newMark, onDurable, count } = deps;
    this.#stores = new Stores({ disk, diskMs, newMark, onDurable, later, now: () => deps.scheduler.time });
    this.#stores.onSettled((id) => {
      for (const { gate } of this.upstreams) {
        gate.release(id);
        gate.release("");
      }
    });
    this.node = new ServerNode({
      later,
      diskMs,
      count,
      stored: (id) => this.#stores.get(id),
      store: (id, reach) => this.#stores.begin(id, reach),
      peers: () => [...this.upstreams].map(({ peer }) => peer),
    });
    this.#checkLater();
    this.#pingLater();
  }

  get pendingStores(): number {
    return this.#stores.pending;
  }

  get paused(): boolean {
    return this.#frozen !== undefined;
  }

  /** How long until it falls asleep if nothing happens. */
  get msToSleep(): number {
    return Math.max(0, this.#lastActivity + this.#deps.sleepAfterMs - this.#deps.scheduler.time);
  }

  readonly touch = (): void => {
    this.#lastActivity = this.#deps.scheduler.time;
  };

  attach(end: End, hello: string): void {
    const { scheduler, home, room, diskMs, count } = this.#deps;
    const upstream = new SpriteUpstream({
      end,
      now: () => scheduler.time,
      home,
      room,
      diskMs,
      count,
      node: this.node,
      stores: this.#stores,
      stored: (id) => this.#stores.get(id),
      later: this.later,
      onActivity: this.touch,
    });
    this.upstreams.add(upstream);
    end.onFrame = (data) =>
      this.#run(() => {
        if (this.phase === "open" && this.upstreams.has(upstream)) upstream.receive(data);
        else count("message during closing");
      });
    end.onClose = () =>
      this.#run(() => {
        upstream.detach();
        this.upstreams.delete(upstream);
      });
    upstream.outgoing.pushText(hello);
    upstream.outgoing.pushText(PING);
    upstream.flush();
  }

  /** The process is gone, without a word. */
  kill(): void {
    this.phase = "dead";
    for (const { end } of this.upstreams) end.link.break(200);
    this.upstreams.clear();
  }

  /** SIGTERM: everybody is told, what is being stored is finished, then it ends. */
  stop(): void {
    this.#run(() => {
      if (this.phase !== "open") return;
      this.phase = "stopping";
      this.#closeUpstreams(CLOSE.restart);
      this.#endLater();
    });
  }

  pause(): void {
    this.#frozen = [];
  }

  resume(): void {
    const frozen = this.#frozen ?? [];
    this.#frozen = undefined;
    const { time } = this.#deps.scheduler;
    if (this.phase === "open" && time - this.#lastRun >= LIMITS.upstreamSilenceMs) {
      // It notices that it was paused, and that nobody can have waited (`sprite/time-gaps.ts`).
      for (const { end } of this.upstreams) end.link.break(200);
    }
    for (const work of frozen) this.#run(work);
  }

  readonly later = (ms: number, work: () => void): void => {
    this.#deps.scheduler.later(ms, () => this.#run(work));
  };

  /** Whatever happens in the process happens through here: nothing when it is dead, later when it is paused. */
  #run(work: () => void): void {
    if (this.phase === "dead") return;
    if (this.#frozen) this.#frozen.push(work);
    else {
      this.#lastRun = this.#deps.scheduler.time;
      work();
      for (const upstream of this.upstreams) upstream.flush();
    }
  }

  #checkLater(): void {
    this.later(Math.max(100, this.msToSleep), () => {
      if (this.phase === "open" && !this.#fallAsleep()) this.#checkLater();
    });
  }

  #pingLater(): void {
    this.later(LIMITS.pingIntervalMs, () => {
      if (this.phase !== "open") return;
      for (const { outgoing } of this.upstreams) outgoing.pushText(PING);
      this.#pingLater();
    });
  }

  #fallAsleep(): boolean {
    for (const { isQuiet } of this.upstreams) if (!isQuiet) this.touch();
    if (this.msToSleep > 0 || this.#stores.pending > 0) return false;
    this.phase = "asleep";
    const { ms, made, complete } = this.#deps.digest();
    this.later(ms, () => {
      const [messenger] = this.upstreams;
      const digest = this.#stores.digest(complete);
      if (made && messenger) messenger.sendAlone(digestMessage(digest));
      else if (made) this.#deps.sayLastWord(digest);
      this.#closeUpstreams(CLOSE.asleep);
      this.#endLater();
    });
    return true;
  }

  #closeUpstreams(code: number): void {
    for (const upstream of this.upstreams) upstream.close(code, this.boot);
    this.upstreams.clear();
  }

  #endLater(): void {
    this.later(EXIT_MS, () => {
      if (this.#stores.pending > 0) this.#endLater();
      else if (this.phase === "asleep" || this.phase === "stopping") this.#deps.onEnd(this.phase);
    });
  }
}
