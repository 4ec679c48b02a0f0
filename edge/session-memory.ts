import { SpriteSyncError } from "../shared/errors.ts";
import { Budget } from "./budget.ts";
import type { Account, IsolateMemory } from "./isolate-budget.ts";
import { Remembered, type RememberedLimits } from "./remembered.ts";

/** One session's part of its isolate's memory. */
export class SessionMemory {
  /** All that waits in this session. */
  readonly waiting: Budget;
  readonly remembered: Remembered;
  readonly #waits: Account;
  readonly #remembers: Account;

  constructor(
    bounds: RememberedLimits & { readonly sessionBytes: number },
    isolate: IsolateMemory,
    now: number,
  ) {
    this.#waits = isolate.waiting.open(now);
    this.#remembers = isolate.remembered.open(now);
    this.waiting = new Budget(bounds.sessionBytes, this.#waits);
    this.remembered = new Remembered(new Budget(bounds.rememberedBytes, this.#remembers), bounds);
  }

  /** The session gives a sign of life. @param now milliseconds */
  seen(now: number): void {
    this.#waits.seenAt = now;
    this.#remembers.seenAt = now;
  }

  /** Why the session has to end, if it has to. */
  get fault(): SpriteSyncError | undefined {
    const { isFarOver, used } = this.remembered;
    if (isFarOver)
      return new SpriteSyncError(
        "overloaded",
        `this connection has the edge remember too much (${used} bytes)`,
      );
    if (this.#remembers.isEvicted)
      return new SpriteSyncError("overloaded", "others need the memory of this edge; connect again");
    return undefined;
  }

  close(): void {
    this.#waits.close();
    this.#remembers.close();
  }
}
