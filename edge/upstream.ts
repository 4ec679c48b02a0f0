import { type SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { splitFrame } from "../shared/frames.ts";
import type { GroupId } from "../shared/ids.ts";
import { CLOSE, LIMITS } from "../shared/limits.ts";
import { parseMessage } from "../shared/messages.ts";
import { bytesOf, ownText } from "./budget.ts";
import { Flow } from "./flow.ts";
import { Outbox } from "./outbox.ts";
import type { UpstreamPort } from "./router-deps.ts";
import type { SpriteSocket, UpstreamDeps } from "./upstream-deps.ts";
import {
  backoff,
  type Effect,
  type Facts,
  IDLE,
  isAttached,
  step,
  type UpstreamEvent,
  type UpstreamState,
} from "./upstream-state.ts";

/**
 * One session's socket to one Sprite, whether it exists at the moment or not: does what `upstream-state.ts` decides. What
 * an open upstream sends and receives passes by that.
 *
 * 1. Its failures reach nobody but its own values; it never closes the client's socket.
 * 2. What waits is within its budget. Past it all of it is dropped and `send` says so: then the router repairs.
 * 3. Messages leave in the order they came: while something waits, everything that comes waits behind it.
 */
export class Upstream implements UpstreamPort {
  readonly #home: GroupId;
  readonly #deps: UpstreamDeps;
  readonly #outbox: Outbox;
  #state: UpstreamState = IDLE;
  /** There exactly while the state is attached, and a moment before. */
  #socket: SpriteSocket | undefined;
  #flow: Flow | undefined;
  #lastFrame = 0;
  /** Counts dials; what an earlier one brings is not used. */
  #dialNumber = 0;
  #stopWaiting: () => void = () => undefined;
  #stopWatching: () => void = () => undefined;
  #trouble: SpriteSyncError | undefined;
  #queue: string[] = [];
  #queuedBytes = 0;
  /** The queue was dropped while attached: a replay has to come before anything else. */
  #dropped = false;
  #used = false;

  constructor(home: GroupId, deps: UpstreamDeps) {
    this.#home = home;
    this.#deps = deps;
    this.#outbox = new Outbox((frame) => {
      this.#socket?.send(frame);
      this.#flow?.sent(frame);
    });
  }

  get state(): UpstreamState["kind"] {
    return this.#state.kind;
  }

  get open(): boolean {
    return isAttached(this.#state);
  }

  get rests(): boolean {
    return this.#state.kind === "idle" || this.#state.kind === "asleep";
  }

  get waits(): boolean {
    return !this.open || this.#queue.length > 0 || this.#dropped || this.#isFull(this.#deps.unreadBytes);
  }

  /** What waits until the Sprite takes it. */
  get queuedBytes(): number {
    return this.#queuedBytes;
  }

  /** What was sent and the Sprite has not worked off. */
  get unreadBytes(): number {
    return this.#flow?.unread ?? 0;
  }

  send(message: string): boolean {
    this.#used = true;
    if (this.waits) return this.#enqueue(message);
    this.#outbox.push(message);
    return true;
  }

  attach(): void {
    if (this.rests) this.#on({ kind: "wanted" });
  }

  rest(boot: string): void {
    this.#on({ kind: "unchanged", boot });
  }

  /** Every replayed `load` has been answered. */
  repaired(): void {
    if (this.#state.kind === "repairing") this.#on({ kind: "repaired" });
  }

  /** The client reads again. */
  unclogged(): void {
    this.#on({ kind: "unclogged" });
  }

  /** Called now and then: finds out that a Sprite fell silent without closing, as a paused host does. */
  tick(): void {
    if (!this.open) return;
    const silent = this.#deps.now() - this.#lastFrame >= LIMITS.upstreamSilenceMs;
    if (!silent && (this.#flow?.stalledMs ?? 0) < LIMITS.stalledMs) return;
    this.#deps.log.warn({ home: this.#home, silent }, "the Sprite gives no sign of life; attaching again");
    this.#on({ kind: "stalled" });
  }

  /** The session ended. */
  close(): void {
    this.#on({ kind: "ended" });
  }

  #on(event: UpstreamEvent): void {
    const { state, effects } = step(this.#state, event, this.#facts());
    const before = this.#state.kind;
    this.#state = state;
    if (state.kind !== before) this.#deps.onState?.(this.#home, state.kind);
    for (const effect of effects) this.#do(effect);
  }

  #facts(): Facts {
    const { owes, follows, clogged } = this.#deps;
    return {
      waits: this.#queue.length > 0,
      owes: owes(this.#home),
      follows: follows(this.#home),
      used: this.#used,
      clogged: clogged(),
    };
  }

  #do(effect: Effect): void {
    switch (effect.kind) {
      case "dial":
        void this.#dial(effect.fresh);
        return;
      case "abandonDial":
        this.#dialNumber++;
        return;
      case "wait":
        this.#wait(effect.attempt, effect.atLeastMs);
        return;
      case "stopWaiting":
        this.#stopWaiting();
        return;
      case "watch":
        this.#stopWatching = this.#deps.watch(this.#home, effect.boot, () => this.#on({ kind: "awake" }));
        return;
      case "stopWatching":
        this.#stopWatching();
        return;
      case "attach":
        this.#replay();
        return;
      case "close":
        this.#socket?.close(effect.code, effect.reason);
        this.#letGo();
        return;
      case "markLost":
        this.#markLost();
        return;
      case "dropQueue":
        this.#dropQueue();
        return;
      case "tellTrouble":
        if (this.#trouble) this.#deps.onTrouble(this.#home, this.#trouble);
    }
  }

  async #dial(fresh: boolean): Promise<void> {
    const number = ++this.#dialNumber;
    try {
      const socket = await this.#deps.dial(this.#home, fresh);
      if (number === this.#dialNumber) this.#dialled(socket);
      else socket.close(1000, "not needed any more");
    } catch (error) {
      if (number === this.#dialNumber) this.#dialFailed(toSpriteSyncError(error, "transient"));
    }
  }

  #dialled(socket: SpriteSocket): void {
    const { boot } = socket.period;
    let used = false;
    let closedWith: number | undefined;
    this.#socket = socket;
    this.#lastFrame = this.#deps.now();
    socket.listen({
      onFrame: (data) => {
        if (this.#socket !== socket) return;
        this.#lastFrame = this.#deps.now();
        this.#receive(socket, data);
      },
      onClose: (code) => {
        if (!used) closedWith = code;
        else if (this.#socket === socket) this.#on({ kind: "lost", asleep: code === CLOSE.asleep });
      },
    });
    if (closedWith !== undefined) {
      this.#letGo();
      this.#on({ kind: "closedUnused", boot, asleep: closedWith === CLOSE.asleep });
      return;
    }
    used = true;
    this.#flow = new Flow({
      send: (mark) => socket.send(mark),
      markBytes: this.#deps.markBytes,
      budget: this.#deps.flight,
      now: this.#deps.now,
      random: this.#deps.random,
    });
    this.#on({ kind: "opened", boot });
  }

  #dialFailed(error: SpriteSyncError): void {
    const { home, attempt } = { home: this.#home, attempt: "attempt" in this.#state && this.#state.attempt };
    this.#deps.log.warn({ home, attempt, code: error.code, error: error.message }, "attach failed");
    this.#trouble = error;
    // A disk that fails is told at once, too: it may last, and what the client writes is not stored meanwhile.
    const tells = !error.retry || error.code === "storage-failed";
    this.#on({ kind: "dialFailed", permanent: tells, retryAfterMs: error.retryAfterMs ?? 0 });
  }

  #receive(socket: SpriteSocket, data: unknown): void {
    try {
      for (const text of splitFrame(data)) {
        // Something before was too much for the client: the rest is repaired, like everything behind it.
        if (this.#socket !== socket) return;
        const message = parseMessage(text);
        if (message.action === "control" && message.type === "ping") continue;
        if (message.action === "content" && this.#deps.clogged() && this.#deps.isNews(message))
          this.#on({ kind: "noRoom" });
        else if (message.action === "reconcile-ack" && this.#flow?.answered(message.batch))
          this.#sendWaiting();
        else this.#deps.onMessage(this.#home, message);
      }
    } catch (error) {
      // A Sprite of another version, or a broken one: its own values suffer, and the log says why.
      this.#deps.log.error({ home: this.#home, error: String(error) }, "a Sprite sent what cannot be read");
    }
  }

  /** Something was worked off: once half is, what waits may go. */
  #sendWaiting(): void {
    if (this.open && !this.#isFull(this.#deps.unreadBytes / 2)) this.#replay();
  }

  #replay(): void {
    this.#dropped = false;
    for (const message of this.#deps.onAttached(this.#home)) this.#outbox.push(message);
    const queue = this.#queue;
    this.#dropQueue();
    for (const message of queue) this.#outbox.push(message);
    if (!this.#deps.repairs(this.#home)) this.repaired();
  }

  #enqueue(message: string): boolean {
    const bytes = bytesOf(message);
    const fits = this.#deps.queue.take(bytes);
    if (fits) {
      this.#queue.push(ownText(message));
      this.#queuedBytes += bytes;
    } else {
      const { log } = this.#deps;
      log.warn(
        { home: this.#home, bytes: this.#queuedBytes },
        "too much waits for a Sprite; dropped for repair",
      );
      this.#dropQueue();
      this.#dropped = this.open;
    }
    this.attach();
    return fits;
  }

  #dropQueue(): void {
    this.#queue = [];
    this.#deps.queue.give(this.#queuedBytes);
    this.#queuedBytes = 0;
  }

  /** What waited behind the lost socket goes too: the repair covers all of it. */
  #markLost(): void {
    this.#letGo();
    this.#used = false;
    this.#dropQueue();
    this.#deps.onLost(this.#home);
  }

  #letGo(): void {
    this.#socket = undefined;
    this.#flow?.close();
    this.#flow = undefined;
    this.#dropped = false;
  }

  #isFull(bytes: number): boolean {
    return this.#flow !== undefined && this.#flow.unread > bytes;
  }

  #wait(attempt: number | undefined, atLeastMs: number): void {
    const pause = attempt === undefined ? 0 : backoff(attempt, this.#deps.random());
    this.#stopWaiting = this.#deps.later(Math.max(pause, atLeastMs), () => this.#on({ kind: "elapsed" }));
  }
}
