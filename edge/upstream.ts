import { type SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { splitFrame } from "../shared/frames.ts";
import type { GroupId } from "../shared/ids.ts";
import { CLOSE, LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { type Message, parseMessage } from "../shared/messages.ts";
import type { AwakePeriod } from "./awake-periods.ts";
import { Outbox } from "./outbox.ts";
import type { UpstreamPort } from "./router.ts";

/** An open socket to a Sprite that has said who it is. */
export interface SpriteSocket {
  readonly period: AwakePeriod;
  send(frame: string): void;
  close(code: number, reason: string): void;
  /** Called at most once each, from the moment this is set; `onFrame` for every frame behind the hello. */
  listen(handlers: { onFrame: (data: unknown) => void; onClose: (code: number) => void }): void;
}

export interface UpstreamDeps {
  /** Finds, creates or wakes the Sprite and dials it. `fresh`: what was cached did not work. */
  readonly dial: (home: GroupId, fresh: boolean) => Promise<SpriteSocket>;
  /** Calls back once when the Sprite is awake in another period than `boot`. Returns how to stop watching. */
  readonly watch: (home: GroupId, boot: string, onAwake: () => void) => () => void;
  readonly onMessage: (home: GroupId, message: Message) => void;
  /** What to send first on a socket that has just opened. */
  readonly onAttached: (home: GroupId) => Iterable<string>;
  readonly onLost: (home: GroupId) => void;
  /** Whether something is owed to or by this home. */
  readonly owes: (home: GroupId) => boolean;
  readonly follows: (home: GroupId) => boolean;
  /** An error that the client should see; the upstream goes on trying. */
  readonly onTrouble: (home: GroupId, error: SpriteSyncError) => void;
  readonly now: () => number;
  /** Runs `action` after about `ms`; returns how to cancel. */
  readonly later: (ms: number, action: () => void) => () => void;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** How much may wait while the Sprite is not attached. */
  readonly queueChars: number;
  readonly log: Log;
}

type State =
  | { readonly kind: "idle" }
  | { readonly kind: "attaching"; readonly attempt: number }
  | { readonly kind: "retrying"; readonly attempt: number; readonly cancel: () => void }
  | { readonly kind: "open"; readonly socket: SpriteSocket; lastFrame: number }
  | { readonly kind: "asleep"; readonly stopWatching: () => void }
  | { readonly kind: "closed" };

/** A client that is owed a repair and answers none of them must not keep a Sprite from sleeping. */
const FRUITLESS_ATTACHES = 2;

/**
 * One session's socket to one Sprite, whether it exists at the moment or not.
 *
 * 1. It is attached while something waits, is owed or is followed, unless the Sprite said that it sleeps.
 * 2. Asleep, it watches: it attaches when the client has something to send or the Sprite is awake again.
 * 3. Its failures reach nobody but its own values; it never closes the client's socket.
 * 4. What waits is bounded in characters. Past the bound it is dropped and `send` says so: then the router repairs.
 */
export class Upstream implements UpstreamPort {
  readonly #home: GroupId;
  readonly #deps: UpstreamDeps;
  #state: State = { kind: "idle" };
  #queue: string[] = [];
  #queuedChars = 0;
  /** Attaches in a row that were made only because something was owed, and during which the client sent nothing. */
  #fruitless = 0;
  readonly #outbox: Outbox;

  constructor(home: GroupId, deps: UpstreamDeps) {
    this.#home = home;
    this.#deps = deps;
    this.#outbox = new Outbox((frame) => this.#state.kind === "open" && this.#state.socket.send(frame));
  }

  get open(): boolean {
    return this.#state.kind === "open";
  }

  /** What waits for the Sprite to be attached. */
  get queuedChars(): number {
    return this.#queuedChars;
  }

  send(message: string): boolean {
    this.#fruitless = 0;
    if (this.#state.kind === "open") {
      this.#outbox.push(message);
      return true;
    }
    const fits = this.#queuedChars + message.length <= this.#deps.queueChars;
    if (fits) {
      this.#queue.push(message);
      this.#queuedChars += message.length;
    } else this.#dropQueue();
    this.attach();
    return fits;
  }

  attach(): void {
    if (this.#state.kind === "asleep") this.#state.stopWatching();
    else if (this.#state.kind !== "idle") return;
    void this.#attach(0);
  }

  /** Called now and then: finds out that a Sprite fell silent without closing, as a paused host does. */
  tick(): void {
    if (this.#state.kind !== "open") return;
    if (this.#deps.now() - this.#state.lastFrame < LIMITS.upstreamSilenceMs) return;
    const { socket } = this.#state;
    this.#deps.log.warn({ home: this.#home }, "the Sprite has been silent for too long; attaching again");
    this.#lost(1006);
    socket.close(CLOSE.overloaded, "no sign of life");
  }

  /** The session ended. */
  close(): void {
    const state = this.#state;
    this.#state = { kind: "closed" };
    this.#dropQueue();
    if (state.kind === "open") state.socket.close(1000, "the session ended");
    else if (state.kind === "asleep") state.stopWatching();
    else if (state.kind === "retrying") state.cancel();
  }

  async #attach(attempt: number): Promise<void> {
    const attaching: State = { kind: "attaching", attempt };
    this.#state = attaching;
    try {
      const socket = await this.#deps.dial(this.#home, attempt > 0);
      // `close` may have come in between.
      if (this.#state === attaching) this.#opened(socket, attempt);
      else socket.close(1000, "the session ended");
    } catch (error) {
      if (this.#state === attaching) this.#retry(attempt, toSpriteSyncError(error, "transient"));
    }
  }

  #opened(socket: SpriteSocket, attempt: number): void {
    const open: State = { kind: "open", socket, lastFrame: this.#deps.now() };
    this.#state = open;
    let used = false;
    let closed: number | undefined;
    socket.listen({
      onFrame: (data) => {
        if (this.#state !== open) return;
        open.lastFrame = this.#deps.now();
        this.#receive(data);
      },
      onClose: (code) => {
        if (!used) closed = code;
        else if (this.#state === open) this.#lost(code);
      },
    });
    if (closed !== undefined) {
      this.#closedUnused(closed, socket.period.boot, attempt);
      return;
    }
    used = true;
    for (const message of this.#deps.onAttached(this.#home)) this.#outbox.push(message);
    for (const message of this.#queue) this.#outbox.push(message);
    this.#dropQueue();
  }

  #receive(data: unknown): void {
    try {
      for (const text of splitFrame(data)) {
        const message = parseMessage(text);
        if (message.action !== "control" || message.type !== "ping")
          this.#deps.onMessage(this.#home, message);
      }
    } catch (error) {
      // A Sprite of another version, or a broken one: its own values suffer, and the log says why.
      this.#deps.log.error({ home: this.#home, error: String(error) }, "a Sprite sent what cannot be read");
    }
  }

  /**
   * The Sprite closed while its awake period was reported to the coordinator. Nothing was sent or lost, so what waits goes
   * on waiting.
   */
  #closedUnused(code: number, boot: string, attempt: number): void {
    this.#state = { kind: "idle" };
    const waits = this.#queue.length > 0 || this.#deps.owes(this.#home);
    if (waits || (code !== CLOSE.asleep && this.#deps.follows(this.#home)))
      this.#retryAfter(attempt + 1, this.#backoff(attempt));
    else if (code === CLOSE.asleep) this.#sleep(boot);
  }

  #lost(code: number): void {
    const boot = this.#state.kind === "open" ? this.#state.socket.period.boot : "";
    this.#state = { kind: "idle" };
    this.#deps.onLost(this.#home);
    if (code === CLOSE.asleep) this.#fellAsleep(boot);
    // Something may have been on its way to the client when the socket broke: only attaching again can tell.
    else if (this.#deps.follows(this.#home) || this.#deps.owes(this.#home))
      this.#retryAfter(0, this.#backoff(0));
  }

  #fellAsleep(boot: string): void {
    const again = this.#deps.owes(this.#home) && this.#fruitless < FRUITLESS_ATTACHES;
    if (again) this.#fruitless++;
    if (again) this.#retryAfter(0, 0);
    else this.#sleep(boot);
  }

  #sleep(boot: string): void {
    if (!this.#deps.follows(this.#home)) return;
    const stopWatching = this.#deps.watch(this.#home, boot, () => this.attach());
    this.#state = { kind: "asleep", stopWatching };
  }

  #retry(attempt: number, error: SpriteSyncError): void {
    this.#deps.log.warn(
      { home: this.#home, attempt, code: error.code, error: error.message },
      "attach failed",
    );
    if (!error.retry || attempt === 3) this.#deps.onTrouble(this.#home, error);
    this.#retryAfter(attempt + 1, Math.max(error.retryAfterMs ?? 0, this.#backoff(attempt)));
  }

  #retryAfter(attempt: number, ms: number): void {
    const cancel = this.#deps.later(ms, () => void this.#attach(attempt));
    this.#state = { kind: "retrying", attempt, cancel };
  }

  /** Doubling, with full jitter, so that the sessions of a Sprite that crashed do not come back all at once. */
  #backoff(attempt: number): number {
    const ceiling = Math.min(LIMITS.attachRetryMs * 2 ** attempt, LIMITS.attachRetryMaxMs);
    return ceiling * (0.5 + this.#deps.random() / 2);
  }

  #dropQueue(): void {
    this.#queue = [];
    this.#queuedChars = 0;
  }
}
