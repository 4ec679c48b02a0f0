import { catchUpMessage } from "../shared/control.ts";
import { type SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { splitFrame } from "../shared/frames.ts";
import type { GroupId } from "../shared/ids.ts";
import { CLOSE, LIMITS } from "../shared/limits.ts";
import { parseMessage } from "../shared/messages.ts";
import { Flow } from "./flow.ts";
import { Outbox } from "./outbox.ts";
import type { UpstreamPort } from "./router-deps.ts";
import type { Piece } from "./unacknowledged.ts";
import type { SpriteSocket, UpstreamDeps } from "./upstream-deps.ts";
import { UpstreamQueue } from "./upstream-queue.ts";
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
 * 2. What waits is within its budget. What finds no room is not taken and `send` says so: then the router repairs.
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
  readonly #queue: UpstreamQueue;
  /** Something was not taken while attached: a replay has to come before anything else. */
  #refused = false;
  #used = false;

  constructor(home: GroupId, deps: UpstreamDeps) {
    this.#home = home;
    this.#deps = deps;
    this.#queue = new UpstreamQueue(deps.queue);
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

  /** Whether what is sent now waits in the queue, because the Sprite is not attached or does not keep up. */
  get waits(): boolean {
    return !this.open || !this.#queue.isEmpty || this.#refused || this.#isFull(this.#deps.unreadBytes);
  }

  /** What waits until the Sprite takes it, content apart. */
  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  /** What was sent and the Sprite has not worked off. */
  get unreadBytes(): number {
    return this.#flow?.unread ?? 0;
  }

  send(message: string): boolean {
    this.#used = true;
    if (!this.waits) this.#outbox.push(message);
    else if (this.#queue.push(message)) this.attach();
    else return this.#refuse();
    return true;
  }

  sendContent(piece: Piece, text: string): boolean {
    this.#used = true;
    if (!this.waits) this.#outbox.push(text);
    else if (piece.text === undefined) return this.#refuse();
    else {
      this.#queue.pushPiece(piece);
      this.attach();
    }
    return true;
  }

  resend(pieces: readonly Piece[]): void {
    if (!this.open) return;
    // Those of the same values that wait are later ones.
    this.#queue.prepend(pieces);
    this.#sendQueued();
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
      waits: !this.#queue.isEmpty,
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
        this.#attached();
        return;
      case "close":
        this.#socket?.close(effect.code, effect.reason);
        this.#letGo();
        return;
      case "markLost":
        this.#markLost();
        return;
      case "dropQueue":
        this.#queue.clear();
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
    if (!this.open || this.#isFull(this.#deps.unreadBytes / 2)) return;
    if (this.#refused) this.#replay();
    else this.#sendQueued();
  }

  /** A new socket: what was sent on the last one and not acknowledged comes before what was not sent yet. */
  #attached(): void {
    this.#queue.prepend(this.#deps.unacknowledged(this.#home));
    if (this.#queue.hasContent) {
      // So that nobody sees half of what the client wrote meanwhile.
      this.#outbox.push(catchUpMessage("begin"));
      this.#queue.push(catchUpMessage("end"));
    }
    this.#replay();
  }

  #replay(): void {
    this.#refused = false;
    for (const message of this.#deps.onAttached(this.#home)) this.#outbox.push(message);
    this.#sendQueued();
    if (!this.#deps.repairs(this.#home)) this.repaired();
  }

  #sendQueued(): void {
    this.#queue.drain(
      () => !this.#isFull(this.#deps.unreadBytes),
      (message) => this.#outbox.push(message),
    );
  }

  /** There is no room for what was to be sent. */
  #refuse(): false {
    this.#deps.log.warn({ home: this.#home }, "too much waits for a Sprite; what came now is repaired later");
    this.#refused = this.open;
    this.attach();
    return false;
  }

  /** What waited behind the lost socket goes too: the repair covers all of it. */
  #markLost(): void {
    this.#letGo();
    this.#used = false;
    this.#queue.clear();
    this.#deps.onLost(this.#home);
  }

  #letGo(): void {
    this.#socket = undefined;
    this.#flow?.close();
    this.#flow = undefined;
    this.#refused = false;
  }

  #isFull(bytes: number): boolean {
    return this.#flow !== undefined && this.#flow.unread > bytes;
  }

  #wait(attempt: number | undefined, atLeastMs: number): void {
    const pause = attempt === undefined ? 0 : backoff(attempt, this.#deps.random());
    this.#stopWaiting = this.#deps.later(Math.max(pause, atLeastMs), () => this.#on({ kind: "elapsed" }));
  }
}
