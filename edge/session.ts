import pLimit from "p-limit";
import { errorMessage, pingMessage, type SpriteState, spriteMessage } from "../shared/control.ts";
import { ERROR_TABLE, type SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import { CLOSE, LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import type { PlacementPolicy } from "../shared/placement.ts";
import { Budget } from "./budget.ts";
import { ClientFlow } from "./client-flow.ts";
import { type Clock, systemClock } from "./clock.ts";
import { type CreationProofs, isolateProofs } from "./creation-proof.ts";
import type { Directory } from "./directory.ts";
import { DiskNews } from "./disk-news.ts";
import { type DrainNote, readDrainNote } from "./drain.ts";
import { Follow } from "./follow.ts";
import { Inbox } from "./inbox.ts";
import { Interests } from "./interests.ts";
import { type IsolateMemory, isolateMemory } from "./isolate-budget.ts";
import { Outbox } from "./outbox.ts";
import { COST } from "./remembered.ts";
import { Retirement } from "./retirement.ts";
import { Router } from "./router.ts";
import { SessionMemory } from "./session-memory.ts";
import type { SleepCheckDeps } from "./sleep-check.ts";
import { Upstream } from "./upstream.ts";
import type { SpriteSocket } from "./upstream-deps.ts";
import type { UpstreamState } from "./upstream-state.ts";
import { Wear } from "./wear.ts";

/** The browser's side of a session. */
export interface ClientSocket {
  send(frame: string): void;
  close(code: number, reason: string): void;
}

export interface SessionDeps {
  readonly client: ClientSocket;
  /** Short name of the place this runs in, for pings: a Cloudflare colo. */
  readonly dc: string;
  readonly directory: Directory;
  readonly policy: PlacementPolicy;
  readonly proofs?: CreationProofs;
  readonly dial: (home: GroupId, fresh: boolean) => Promise<SpriteSocket>;
  readonly watch: (home: GroupId, boot: string, onAwake: () => void, pause: Pause) => () => void;
  /** Whether the client asked to be told when the Sprites that it follows sleep and wake. */
  readonly tellsSprites?: boolean;
  /** Whether a home sleeps and has exactly this; see `SleepCheckDeps`. */
  readonly unchanged: SleepCheckDeps["unchanged"];
  readonly wants: (onPlaced: (id: CoValueId, home: GroupId) => void, pause: Pause) => WantsPort;
  readonly log: Log;
  readonly clock?: Clock;
  readonly bounds?: Bounds;
  /** What this session shares its isolate's memory with. */
  readonly isolate?: IsolateMemory;
  /** What this session has used of its invocation; whoever makes subrequests for it counts them here. */
  readonly wear?: Wear;
  /** Which sessions an operator wants to go. */
  readonly drain?: () => DrainNote;
  readonly parts?: SessionParts;
  /** Called once, when the session has ended and closed what it had open. */
  readonly onEnd: () => void;
}

/** How much a session lets wait, and remembers; see {@link LIMITS}. */
export type Bounds = Readonly<
  Record<
    | "sessionBytes"
    | "upstreamQueueBytes"
    | "unacknowledgedBytes"
    | "sessionPendingBytes"
    | "clientUnreadBytes"
    | "clientUnreadMaxBytes"
    | "spriteUnreadBytes"
    | "markBytes"
    | "rememberedBytes"
    | "rememberedMaxBytes",
    number
  >
>;

/** What a session is made of. The simulation puts broken ones in, to see that it would notice. */
export interface SessionParts {
  readonly Follow: typeof Follow;
  readonly Upstream: typeof Upstream;
  readonly Interests: typeof Interests;
}

/** What a client is told of a Sprite by what the upstream to it is doing. */
const SHOWN: Readonly<Partial<Record<UpstreamState["kind"], SpriteState>>> = {
  waking: "waking",
  waiting: "waking",
  repairing: "awake",
  open: "awake",
  asleep: "asleep",
};

/** Resolves after a pause that grows with `attempt`; rejects when the session ends. */
export type Pause = (attempt: number) => Promise<void>;

export interface WantsPort {
  add(id: CoValueId): void;
  close(): void;
}

/**
 * One browser's socket and all its routing state. Wires the router to upstreams and timers; decides nothing itself.
 *
 * 1. Only the client ends it, or what it does to the whole socket: a frame that is an attack, or not reading for minutes; or
 *    its own age ({@link Retirement}). No Sprite and no directory does.
 * 2. Pings go out in every mode, from one timer.
 * 3. `end` closes everything this session opened: a socket that is forgotten here stays open for ever
 *    (facts/cloudflare §1.3).
 */
export class Session {
  readonly #deps: SessionDeps;
  readonly #router: Router;
  readonly #inbox: Inbox;
  readonly #outbox: Outbox;
  readonly #upstreams = new Map<GroupId, Upstream>();
  readonly #slots = pLimit(LIMITS.dialsAtOnce);
  readonly #wants: WantsPort;
  readonly #cancels = new Set<() => void>();
  readonly #clock: Clock;
  readonly #bounds: Bounds;
  readonly #parts: SessionParts;
  readonly #memory: SessionMemory;
  readonly #flow: ClientFlow;
  readonly #wear: Wear;
  readonly #retirement: Retirement;
  readonly #diskNews = new DiskNews();
  #movedAt = 0;
  #ended = false;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.#clock = deps.clock ?? systemClock;
    this.#bounds = deps.bounds ?? LIMITS;
    this.#parts = deps.parts ?? { Follow, Upstream, Interests };
    this.#memory = new SessionMemory(this.#bounds, deps.isolate ?? isolateMemory, this.#clock.now());
    const { remembered, waiting } = this.#memory;
    this.#flow = new ClientFlow({
      send: (frame) => this.#ended || deps.client.send(frame),
      reply: (message) => this.#outbox.push(message),
      onChange: () => this.#clogChanged(),
      bounds: this.#bounds,
      around: waiting,
      clock: this.#clock,
    });
    this.#wear = deps.wear ?? new Wear();
    this.#retirement = new Retirement({
      ...this.#clock,
      wear: this.#wear,
      drain: deps.drain ?? (() => readDrainNote(null)),
    });
    this.#outbox = new Outbox((frame) => {
      this.#wear.frame(frame.length, 1);
      this.#flow.send(frame);
    });
    this.#wants = deps.wants((id, home) => this.#router.placed(id, home), this.#pause);
    this.#router = new Router({
      directory: deps.directory,
      policy: deps.policy,
      proofs: deps.proofs ?? isolateProofs,
      upstream: (home) => this.#upstream(home),
      toClient: (message) => {
        this.#moved();
        this.#outbox.push(message);
      },
      unchanged: async (home, records) => {
        const boot = await deps.unchanged(home, records);
        return this.#ended ? new Promise<never>(() => undefined) : boot;
      },
      want: (id) => this.#wants.add(id),
      pause: this.#pause,
      unacknowledged: new Budget(this.#bounds.unacknowledgedBytes, waiting),
      pending: new Budget(this.#bounds.sessionPendingBytes, waiting),
      clientAcked: (batch) => this.#flow.answered(batch),
      isAboutMark: (message) => this.#flow.takes(message),
      remembered,
      interests: new this.#parts.Interests(remembered),
      newFollow: (id, at) => new this.#parts.Follow(id, at),
    });
    this.#inbox = new Inbox({
      handle: (texts, chars) => {
        this.#router.clientMessages(texts);
        this.#moved();
        this.#wear.frame(chars, texts.length);
        if (this.#memory.fault) throw this.#memory.fault;
      },
      onFault: (error) => this.#clientFault(error),
      later: (ms, action) => this.#later(ms, action),
      budget: new Budget(this.#bounds.sessionBytes, waiting),
    });
    this.#tick();
  }

  /** A frame from the browser. */
  receive(data: unknown): void {
    if (this.#ended) return;
    try {
      this.#inbox.push(data);
    } catch (thrown) {
      this.#clientFault(thrown);
    }
  }

  #clientFault(thrown: unknown): void {
    const error = toSpriteSyncError(thrown, "bad-frame");
    this.#deps.client.send(errorMessage(error));
    this.#hangUp(error);
  }

  /** Attaches a home before anything is sent to it, if it exists: the client said that it will be used. */
  async warm(home: CoValueId): Promise<void> {
    const { homes } = await this.#deps.directory.lookup([home]);
    const place = homes.get(home);
    if (place && !this.#ended) this.#upstream(place).attach();
  }

  /** What waits for Sprites that are not attached or do not keep up, by home (bytes). */
  get queuedBytes(): ReadonlyMap<GroupId, number> {
    return new Map([...this.#upstreams].map(([home, { queuedBytes }]) => [home, queuedBytes]));
  }

  /** The browser is gone, or has to go. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    for (const cancel of [...this.#cancels]) cancel();
    for (const upstream of this.#upstreams.values()) upstream.close();
    this.#wants.close();
    this.#memory.close();
    this.#deps.onEnd();
    this.#deps.log.info({ sprites: this.#upstreams.size, followed: this.#router.followed }, "session ended");
  }

  #tick(): void {
    this.#memory.seen(this.#clock.now());
    this.#outbox.push(pingMessage(this.#clock.now(), this.#deps.dc));
    const fault = this.#flow.fault ?? this.#memory.fault;
    if (fault) {
      this.#hangUp(fault);
      return;
    }
    const retires = this.#retirement.due(this.#isQuiet);
    if (retires) {
      this.#deps.log.info({ reason: retires }, "the client is to connect anew");
      this.#deps.client.close(CLOSE.restart, retires);
      this.end();
      return;
    }
    for (const upstream of this.#upstreams.values()) upstream.tick();
    this.#later(LIMITS.pingIntervalMs, () => this.#tick());
  }

  /** Whether nothing is on its way, and nothing has been for a moment. */
  get #isQuiet(): boolean {
    if (this.#flow.isClogged || this.#clock.now() - this.#movedAt < LIMITS.quietMs) return false;
    for (const { queuedBytes } of this.#upstreams.values()) if (queuedBytes > 0) return false;
    return this.#inbox.isIdle && this.#router.isSettled;
  }

  #moved(): void {
    this.#movedAt = this.#clock.now();
  }

  /** For a client that is at fault; with the code of the error. */
  #hangUp(error: SpriteSyncError): void {
    this.#deps.log.warn({ code: error.code, error: error.message }, "closing a client's socket");
    this.#deps.client.close(ERROR_TABLE[error.code].closeCode, error.message.slice(0, 100));
    this.end();
  }

  #clogChanged(): void {
    const { isClogged, unread } = this.#flow;
    this.#deps.log.info(
      { isClogged, unread },
      "the client reads more slowly than it is sent to, or again in time",
    );
    if (!isClogged) for (const upstream of this.#upstreams.values()) upstream.unclogged();
  }

  #upstream(home: GroupId): Upstream {
    let upstream = this.#upstreams.get(home);
    if (!upstream) {
      upstream = this.#newUpstream(home);
      this.#upstreams.set(home, upstream);
    }
    return upstream;
  }

  #newUpstream(home: GroupId): Upstream {
    const { dial, watch, log } = this.#deps;
    this.#memory.remembered.charge(COST.upstream);
    return new this.#parts.Upstream(home, {
      dial: (of, fresh) => this.#slots(() => dial(of, fresh)),
      watch: (of, boot, onAwake) => watch(of, boot, onAwake, this.#pause),
      onMessage: (from, message) =>
        this.#diskNews.passes(from, message) && this.#router.spriteMessage(from, message),
      isNews: (content) => this.#router.isNews(content),
      onAttached: (of) => this.#router.attached(of),
      unacknowledged: (of) => this.#router.unacknowledged(of),
      onLost: (of) => this.#router.lost(of),
      owes: (of) => this.#router.owes(of),
      follows: (of) => this.#router.follows(of),
      repairs: (of) => this.#router.repairs(of),
      clogged: () => this.#flow.isClogged,
      ...(this.#deps.tellsSprites && { onState: this.#tellSprite }),
      onTrouble: (of, error) =>
        this.#diskNews.passesTrouble(of, error) && this.#outbox.push(errorMessage(error, undefined, of)),
      now: this.#clock.now,
      later: (ms, action) => this.#later(ms, action),
      random: this.#clock.random,
      queue: new Budget(this.#bounds.upstreamQueueBytes, this.#memory.waiting),
      flight: new Budget(this.#bounds.spriteUnreadBytes, this.#memory.waiting),
      unreadBytes: this.#bounds.spriteUnreadBytes,
      markBytes: this.#bounds.markBytes,
      log,
    });
  }

  #tellSprite = (home: GroupId, kind: UpstreamState["kind"]): void => {
    const state = SHOWN[kind];
    if (state) this.#outbox.push(spriteMessage(home, state));
  };

  #later(ms: number, action: () => void): () => void {
    const stop = this.#clock.later(ms, () => {
      this.#cancels.delete(cancel);
      action();
    });
    const cancel = () => {
      stop();
      this.#cancels.delete(cancel);
    };
    this.#cancels.add(cancel);
    return cancel;
  }

  #pause: Pause = (attempt) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    const ms = Math.min(LIMITS.directoryRetryMs * 2 ** attempt, LIMITS.attachRetryMaxMs);
    if (this.#ended) reject(new Error("the session has ended"));
    else {
      const stop = this.#clock.later(ms * (0.5 + this.#clock.random() / 2), () => {
        this.#cancels.delete(cancel);
        resolve();
      });
      const cancel = () => {
        stop();
        reject(new Error("the session has ended"));
      };
      this.#cancels.add(cancel);
    }
    return promise;
  };
}
