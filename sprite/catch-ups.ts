import { randomUUID } from "node:crypto";
import type { SyncMessage } from "cojson";
import { parseCatchUp } from "../shared/control.ts";
import { LIMITS } from "../shared/limits.ts";

interface CatchUp {
  /** How many had begun with it. */
  readonly number: number;
  /** Values whose first content came in it. */
  readonly values: Set<string>;
  readonly timer: NodeJS.Timeout;
}

/**
 * What sessions catch up on: when the edge attaches one, it sends first what its client wrote meanwhile, between a `begin`
 * and an `end`. A value that is new in it, such as an account, often comes in several messages. Others would see it
 * half-made: without the profile that the next message brings. So what they are told of such a value waits for the `end`.
 *
 * 1. Only new values wait, and answers that a value is not here: nobody can hold up what others write.
 * 2. Nothing waits longer than `catchUpMs`: not for a session that begins later, of which there may always be one.
 * 3. The session that catches up waits for nothing.
 */
export class CatchUps {
  readonly #running = new Map<string, CatchUp>();
  readonly #onEnd = new Set<() => void>();
  #begun = 0;

  /** How many have begun so far. */
  get begun(): number {
    return this.#begun;
  }

  /** @param upstream its id */
  begin(upstream: string): void {
    this.end(upstream);
    const timer = setTimeout(() => this.end(upstream), LIMITS.catchUpMs);
    this.#running.set(upstream, { number: ++this.#begun, values: new Set(), timer: timer.unref() });
  }

  /** The first content of a value came from `upstream`. */
  created(upstream: string, id: string): void {
    this.#running.get(upstream)?.values.add(id);
  }

  end(upstream: string): void {
    const ended = this.#running.get(upstream);
    if (!ended) return;
    clearTimeout(ended.timer);
    this.#running.delete(upstream);
    for (const listener of this.#onEnd) listener();
  }

  /**
   * Whether a message of the node to `upstream` has to wait.
   * @param begun how many had begun when it came
   */
  holds(upstream: string, message: SyncMessage, begun: number): boolean {
    if (this.#running.size === 0) return false;
    if (message.action !== "content" && message.action !== "known") return false;
    const tellsAbsence = message.action === "known" && !message.header && !message.isCorrection;
    for (const [other, { number, values }] of this.#running) {
      if (number <= begun && other !== upstream && (tellsAbsence || values.has(message.id))) return true;
    }
    return false;
  }

  /** Calls `listener` each time one ends; returns how to stop. */
  onEnd(listener: () => void): () => void {
    this.#onEnd.add(listener);
    return () => this.#onEnd.delete(listener);
  }
}

interface Held {
  readonly message: SyncMessage;
  /** How many had begun to catch up when it came. */
  readonly begun: number;
}

export interface UpstreamCatchUpDeps {
  /** Sends a message of the node on. */
  readonly pass: (message: SyncMessage) => void;
  /** Hands a message to the node, behind all that this upstream sent before. */
  readonly deliver: (message: SyncMessage) => void;
  /** Whether no message of this upstream waits for something. */
  readonly isIdle: () => boolean;
}

/** One upstream's part in {@link CatchUps}: it may catch up, and it waits for others that do. */
export class UpstreamCatchUp {
  readonly #upstream: string;
  readonly #all: CatchUps;
  readonly #deps: UpstreamCatchUpDeps;
  readonly #stop: () => void;
  /** The node answers it when it has handled everything before. */
  readonly #mark = `catch-up-${randomUUID()}`;
  #held: Held[] = [];
  #ends = false;

  constructor(upstream: string, all: CatchUps, deps: UpstreamCatchUpDeps) {
    this.#upstream = upstream;
    this.#all = all;
    this.#deps = deps;
    this.#stop = all.onEnd(() => this.#release());
  }

  get holdsSomething(): boolean {
    return this.#held.length > 0;
  }

  /** A control message of the edge. */
  receive(text: string): void {
    const phase = parseCatchUp(text);
    if (phase === "begin") this.#all.begin(this.#upstream);
    if (phase !== "end") return;
    this.#ends = true;
    this.checkEnd();
  }

  created(id: string): void {
    this.#all.created(this.#upstream, id);
  }

  /** Nothing waits any more, or nothing more comes: once both are so and the node has handled it all, this is over. */
  checkEnd(): void {
    if (!this.#ends || !this.#deps.isIdle()) return;
    this.#ends = false;
    this.#deps.deliver({ action: "reconcile", id: this.#mark, values: [] });
  }

  /** @returns whether a message of the node to this upstream is dealt with here. */
  takes(message: SyncMessage): boolean {
    if (message.action === "reconcile-ack" && message.id === this.#mark) {
      this.#all.end(this.#upstream);
      return true;
    }
    const { begun } = this.#all;
    if (!this.#all.holds(this.#upstream, message, begun)) return false;
    this.#held.push({ message, begun });
    return true;
  }

  close(): void {
    this.#stop();
    this.#held = [];
    this.#all.end(this.#upstream);
  }

  #release(): void {
    const held = this.#held;
    this.#held = [];
    for (const one of held) {
      if (this.#all.holds(this.#upstream, one.message, one.begun)) this.#held.push(one);
      else this.#deps.pass(one.message);
    }
  }
}
