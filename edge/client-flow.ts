import { SpriteSyncError } from "../shared/errors.ts";
import { emptyKnownState, knownStateMessage } from "../shared/known-state.ts";
import { LIMITS } from "../shared/limits.ts";
import { Budget, type Outer } from "./budget.ts";
import type { Clock } from "./clock.ts";
import { Flow } from "./flow.ts";
import { isMarkId } from "./marks.ts";
import type { ValueMessage } from "./value-message.ts";

export interface ClientFlowDeps {
  readonly send: (frame: string) => void;
  /** Sends one message of our own. */
  readonly reply: (message: string) => void;
  /** `isClogged` has changed. */
  readonly onChange: () => void;
  readonly bounds: Readonly<Record<"clientUnreadBytes" | "clientUnreadMaxBytes" | "markBytes", number>>;
  /** The session's budget. */
  readonly around: Outer;
  readonly clock: Pick<Clock, "now" | "random">;
}

/**
 * The way to the client, watched. What the client leaves unread lies in this isolate, where no limit of workerd's stops
 * it (facts/cloudflare §1.4).
 *
 * 1. It is clogged from the moment that too much is unread until half of that is worked off.
 * 2. When the whole isolate has too much, so is every client that is behind by more than what is always on its way.
 */
export class ClientFlow {
  readonly #deps: ClientFlowDeps;
  readonly #flow: Flow;
  readonly #budget: Budget;
  #clogged = false;

  constructor(deps: ClientFlowDeps) {
    this.#deps = deps;
    this.#budget = new Budget(deps.bounds.clientUnreadBytes, deps.around);
    const { markBytes } = deps.bounds;
    const { now, random } = deps.clock;
    this.#flow = new Flow({ send: deps.send, markBytes, budget: this.#budget, now, random, findsOut: true });
  }

  get unread(): number {
    return this.#flow.unread;
  }

  /** Whether the Sprites should send nothing more for now. */
  get isClogged(): boolean {
    return this.#clogged;
  }

  /** Whether the client makes no progress, or what is sent without any Sprite (answers, errors) became too much. */
  get isHopeless(): boolean {
    if (!this.#clogged) return false;
    return this.#flow.stalledMs >= LIMITS.stalledMs || this.unread > this.#deps.bounds.clientUnreadMaxBytes;
  }

  /** Why the session has to end, if it has to. */
  get fault(): SpriteSyncError | undefined {
    return this.isHopeless
      ? new SpriteSyncError("overloaded", "the client does not read what it is sent")
      : undefined;
  }

  send(frame: string): void {
    this.#deps.send(frame);
    this.#flow.sent(frame);
    if (!this.#clogged && this.#isOver(this.#deps.bounds.clientUnreadBytes)) this.#change(true);
  }

  /**
   * Takes what the client says about the value of a mark: it answers the mark, or loads the value at the beginning of a
   * connection (cojson before 0.20), which would otherwise wait for an answer.
   * @returns whether it was about one, and so nobody else's business.
   */
  takes(message: ValueMessage): boolean {
    if (!isMarkId(message.id)) return false;
    if (message.action === "known") this.answered(message.id);
    else if (message.action === "load")
      this.#deps.reply(knownStateMessage("known", message.id, emptyKnownState()));
    return true;
  }

  /** The client answered a reconciliation or a mark. */
  answered(answer: string): void {
    if (!this.#flow.answered(answer)) return;
    if (this.#clogged && !this.#isOver(this.#deps.bounds.clientUnreadBytes / 2)) this.#change(false);
  }

  #isOver(bytes: number): boolean {
    if (this.unread > bytes) return true;
    return this.unread > 2 * this.#deps.bounds.markBytes && this.#budget.exceeded;
  }

  #change(clogged: boolean): void {
    this.#clogged = clogged;
    this.#deps.onChange();
  }
}
