import { LIMITS } from "../shared/limits.ts";
import { later, withTimeout } from "../shared/timeout.ts";

interface Waiting<Key, Value> {
  readonly entries: Map<Key, Value>;
  readonly answer: PromiseWithResolvers<Record<string, string>>;
}

/**
 * Calls to one shard of one kind, one at a time. A burst of thousands of frames makes a handful of calls, and a single one
 * is not delayed.
 *
 * 1. While a call is under way, what comes next gathers and becomes the following call.
 * 2. No more than `shardCallsAtOnce` calls begin in any `shardGatherMs`; past that, what comes gathers as well. A shard in
 *    the same place answers so soon that nothing would gather otherwise.
 */
export class ShardQueue<Key, Value> {
  readonly #call: (entries: Map<Key, Value>) => Promise<Record<string, string>>;
  readonly #timeoutMs: number;
  readonly #later: typeof later;
  #next: Waiting<Key, Value> | undefined;
  #busy = false;
  #recent = 0;
  #onRoom: (() => void) | undefined;

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
    while (this.#next) {
      if (this.#recent >= LIMITS.shardCallsAtOnce) await this.#room();
      const { entries, answer } = this.#next;
      this.#next = undefined;
      this.#count();
      await withTimeout(this.#call(entries), this.#timeoutMs, undefined, this.#later).then(
        answer.resolve,
        answer.reject,
      );
    }
    this.#busy = false;
  }

  #room(): Promise<void> {
    return new Promise((resolve) => {
      this.#onRoom = resolve;
    });
  }

  #count(): void {
    this.#recent++;
    this.#later(LIMITS.shardGatherMs, () => {
      this.#recent--;
      this.#onRoom?.();
    });
  }
}
