export interface OutgoingDeps {
  readonly now: () => number;
  readonly later: (ms: number, work: () => void) => void;
  readonly send: (frame: string) => void;
}

/** What goes out on one socket: texts first, then by priority, as `PriorityBasedMessageQueue` orders what has to wait. */
export class Outgoing {
  readonly #deps: OutgoingDeps;
  #texts: string[] = [];
  readonly #queues: [number, string[]][] = [
    [0, []],
    [3, []],
    [6, []],
  ];
  #blockedUntil = 0;

  constructor(deps: OutgoingDeps) {
    this.#deps = deps;
  }

  get isEmpty(): boolean {
    return this.#texts.length === 0 && this.#queues.every(([, queue]) => queue.length === 0);
  }

  /** The line is slow: what is pushed now waits for what the socket has taken already. */
  block(ms: number): void {
    this.#blockedUntil = Math.max(this.#blockedUntil, this.#deps.now() + ms);
    this.#deps.later(ms, () => this.flush());
  }

  push(message: { readonly action: string; readonly priority?: number }): void {
    const priority = message.action === "reconcile" ? 6 : (message.priority ?? 0);
    this.#queues.find(([one]) => one === priority)?.[1].push(JSON.stringify(message));
  }

  pushText(text: string): void {
    this.#texts.push(text);
  }

  flush(evenBlocked = false): void {
    if (this.isEmpty || (!evenBlocked && this.#deps.now() < this.#blockedUntil)) return;
    const frame = [...this.#texts.splice(0), ...this.#queues.flatMap(([, queue]) => queue.splice(0))];
    this.#deps.send(frame.join("\n"));
  }
}
