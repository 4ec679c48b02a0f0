import { later, withTimeout } from "../shared/timeout.ts";

interface Waiting<Key, Value> {
  readonly entries: Map<Key, Value>;
  readonly answer: PromiseWithResolvers<Record<string, string>>;
}

/**
 * Calls to one shard of one kind: while one is under way, what comes next gathers and becomes the following call. A
 * burst of a thousand frames thus makes a handful of calls, and a single one is not delayed.
 */
export class ShardQueue<Key, Value> {
  readonly #call: (entries: Map<Key, Value>) => Promise<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #later: typeof later;
  #next: Waiting<Key, Value> | undefined;
  #busy = false;

  constructor(
    call: (entries: Map<Key, Value>) => Promise<Record<string, string>>,
    timeoutMs: number,
    timer = later,
  ) {
    this.#call = call;
    this.#timeoutMs = timeoutMs;
    this.#later = timer;
  }

  /** @returns the shard's answer to this and whatever else was asked in the same call. */
  ask(entries: Iterable<readonly [Key, Value]>): Promise<Record<string, string>> {
    this.#next ??= { entries: new Map(), answer: Promise.withResolvers() };
    for (const [key, value] of entries) this.#next.entries.set(key, value);
    const { promise } = this.#next.answer;
    if (!this.#busy) void this.#run();
    return promise;
  }

  async #run(): Promise<void> {
    this.#busy = true;
    for (let turn = this.#next; turn; turn = this.#next) {
      this.#next = undefined;
      const { entries, answer } = turn;
      await withTimeout(this.#call(entries), this.#timeoutMs, undefined, this.#later).then(
        answer.resolve,
        answer.reject,
      );
    }
    this.#busy = false;
  }
}
