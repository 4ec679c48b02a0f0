import pLimit from "p-limit";
import { errorMessage, pingMessage } from "../shared/control.ts";
import { ERROR_TABLE, toSpriteSyncError } from "../shared/errors.ts";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import type { PlacementPolicy } from "../shared/placement.ts";
import type { Directory } from "./directory.ts";
import { Outbox } from "./outbox.ts";
import { Router } from "./router.ts";
import { type SpriteSocket, Upstream } from "./upstream.ts";

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
  readonly dial: (home: GroupId, fresh: boolean) => Promise<SpriteSocket>;
  readonly watch: (home: GroupId, boot: string, onAwake: () => void, pause: Pause) => () => void;
  readonly wants: (onPlaced: (id: CoValueId, home: GroupId) => void, pause: Pause) => WantsPort;
  readonly log: Log;
  /** Called once, when the session has ended and closed what it had open. */
  readonly onEnd: () => void;
}

/** Resolves after a pause that grows with `attempt`; rejects when the session ends. */
export type Pause = (attempt: number) => Promise<void>;

export interface WantsPort {
  add(id: CoValueId): void;
  close(): void;
}

/**
 * One browser's socket and all its routing state. Wires the router to upstreams and timers; decides nothing itself.
 *
 * 1. Only the client, or a frame that is an attack on the whole socket, ends it; no Sprite and no directory does.
 * 2. Pings go out in every mode, from one timer.
 * 3. `end` closes everything this session opened: a socket that is forgotten here stays open for ever
 *    (facts/cloudflare §1.3).
 */
export class Session {
  readonly #deps: SessionDeps;
  readonly #router: Router;
  readonly #outbox: Outbox;
  readonly #upstreams = new Map<GroupId, Upstream>();
  readonly #slots = pLimit(LIMITS.dialsAtOnce);
  readonly #wants: WantsPort;
  readonly #cancels = new Set<() => void>();
  readonly #ticking: ReturnType<typeof setInterval>;
  #ended = false;

  constructor(deps: SessionDeps) {
    this.#deps = deps;
    this.#outbox = new Outbox((frame) => this.#ended || deps.client.send(frame));
    this.#wants = deps.wants((id, home) => this.#router.placed(id, home), this.#pause);
    this.#router = new Router({
      directory: deps.directory,
      policy: deps.policy,
      upstream: (home) => this.#upstream(home),
      toClient: (message) => this.#outbox.push(message),
      want: (id) => this.#wants.add(id),
      pause: this.#pause,
    });
    this.#ticking = setInterval(() => this.#tick(), LIMITS.pingIntervalMs);
    this.#tick();
  }

  /** A frame from the browser. */
  receive(data: unknown): void {
    if (this.#ended) return;
    try {
      this.#router.clientFrame(data);
    } catch (thrown) {
      const error = toSpriteSyncError(thrown, "bad-frame");
      this.#deps.log.warn({ code: error.code, error: error.message }, "closing a client's socket");
      this.#deps.client.send(errorMessage(error));
      this.#deps.client.close(ERROR_TABLE[error.code].closeCode, error.message.slice(0, 100));
      this.end();
    }
  }

  /** Attaches a home before anything is sent to it, if it exists: the client said that it will be used. */
  async warm(home: CoValueId): Promise<void> {
    const { homes } = await this.#deps.directory.lookup([home]);
    const place = homes.get(home);
    if (place && !this.#ended) this.#upstream(place).attach();
  }

  /** The browser is gone, or has to go. Idempotent. */
  end(): void {
    if (this.#ended) return;
    this.#ended = true;
    clearInterval(this.#ticking);
    for (const cancel of [...this.#cancels]) cancel();
    for (const upstream of this.#upstreams.values()) upstream.close();
    this.#wants.close();
    this.#deps.onEnd();
    this.#deps.log.info({ sprites: this.#upstreams.size, followed: this.#router.followed }, "session ended");
  }

  #tick(): void {
    this.#outbox.push(pingMessage(Date.now(), this.#deps.dc));
    for (const upstream of this.#upstreams.values()) upstream.tick();
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
    return new Upstream(home, {
      dial: (of, fresh) => this.#slots(() => dial(of, fresh)),
      watch: (of, boot, onAwake) => watch(of, boot, onAwake, this.#pause),
      onMessage: (from, message) => this.#router.spriteMessage(from, message),
      onAttached: (of) => this.#router.attached(of),
      onLost: (of) => this.#router.lost(of),
      owes: (of) => this.#router.owes(of),
      follows: (of) => this.#router.follows(of),
      onTrouble: (_, error) => this.#outbox.push(errorMessage(error)),
      now: () => Date.now(),
      later: (ms, action) => this.#later(ms, action),
      random: () => Math.random(),
      log,
    });
  }

  #later(ms: number, action: () => void): () => void {
    const timer = setTimeout(() => {
      this.#cancels.delete(cancel);
      action();
    }, ms);
    const cancel = () => {
      clearTimeout(timer);
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
      const timer = setTimeout(
        () => {
          this.#cancels.delete(cancel);
          resolve();
        },
        ms * (0.5 + Math.random() / 2),
      );
      const cancel = () => {
        clearTimeout(timer);
        reject(new Error("the session has ended"));
      };
      this.#cancels.add(cancel);
    }
    return promise;
  };
}
