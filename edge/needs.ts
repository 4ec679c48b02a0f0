import type { CoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";

export interface NeedsDeps {
  /** Tries again to find homes for ids; those that still need something are told to {@link Needs.add} again. */
  readonly retry: (ids: readonly CoValueId[]) => Promise<void>;
  /** Asks the client for a value. */
  readonly ask: (id: CoValueId) => void;
  /** Whether a value waits itself in this session: whatever becomes of it is told here. */
  readonly comes: (id: CoValueId) => boolean;
  /** Resolves after a pause that grows with `attempt`; rejects when the session ends. */
  readonly pause: (attempt: number) => Promise<void>;
}

export interface NeedOptions {
  /** Whether the client is asked at once: what is needed is not what it is about to send by itself. */
  readonly atOnce: boolean;
}

type News = "came" | "missing";

interface Need {
  readonly ids: Set<CoValueId>;
  /** Resolves when what is needed has come, or the client has said that it does not have it. */
  news: PromiseWithResolvers<News>;
  isAsked: boolean;
  pausesLeft: number;
  isOver: boolean;
}

/**
 * What new values of one session wait for before they get a home: their group, an account that signed, their own first
 * transactions.
 *
 * 1. One need for each id that is waited for, however many wait for it: one question, one timer, one look-up.
 * 2. A need ends when nothing waits for it, when the client says that it has no such value, or after a number of pauses in
 *    which the value does not wait here itself. Values that wait here for each other must not be added.
 * 3. There are at most `LIMITS.foundingNeeds` of them.
 */
export class Needs {
  readonly #deps: NeedsDeps;
  readonly #needs = new Map<CoValueId, Need>();

  constructor(deps: NeedsDeps) {
    this.#deps = deps;
  }

  /** @returns whether `id` may wait for `needed`; if not, it waited long enough, or too much is waited for. */
  add(id: CoValueId, needed: CoValueId, { atOnce }: NeedOptions): boolean {
    const known = this.#needs.get(needed);
    if (known) {
      if (known.isOver) return false;
      known.ids.add(id);
      return true;
    }
    if (this.#needs.size >= LIMITS.foundingNeeds) return false;
    const need: Need = {
      ids: new Set([id]),
      news: Promise.withResolvers(),
      isAsked: false,
      pausesLeft: LIMITS.foundingPauses,
      isOver: false,
    };
    this.#needs.set(needed, need);
    if (atOnce) this.#ask(needed, need);
    void this.#tend(needed, need);
    return true;
  }

  /** Whether something waits for `id`. */
  has(id: CoValueId): boolean {
    return this.#needs.has(id);
  }

  /** Something of `needed` has come, or a home was found for it. */
  came(needed: CoValueId): void {
    this.#needs.get(needed)?.news.resolve("came");
  }

  /** The client says that it does not have `needed`, which counts if it was asked; or the value was refused. */
  isMissing(needed: CoValueId, { isRefused = false } = {}): void {
    const need = this.#needs.get(needed);
    if (need && (need.isAsked || isRefused)) need.news.resolve("missing");
  }

  async #tend(needed: CoValueId, need: Need): Promise<void> {
    let pauses = 0;
    let pause = this.#pause(1);
    while (need.ids.size > 0 && !need.isOver) {
      const event = await Promise.race([pause, need.news.promise]);
      // The session ended; its client sends everything again to the next one.
      if (event === "ended") return;
      const comes = this.#deps.comes(needed) && !need.ids.has(needed);
      if (event === "paused") {
        pause = this.#pause(++pauses + 1);
        if (comes) continue;
        need.pausesLeft--;
        if (need.pausesLeft > 0) this.#ask(needed, need);
      } else need.news = Promise.withResolvers();
      need.isOver = event === "missing" || need.pausesLeft === 0;
      const ids = [...need.ids];
      need.ids.clear();
      await this.#deps.retry(ids);
    }
    this.#needs.delete(needed);
  }

  #pause(attempt: number): Promise<"paused" | "ended"> {
    return this.#deps.pause(attempt).then(
      () => "paused",
      () => "ended",
    );
  }

  #ask(needed: CoValueId, need: Need): void {
    if (!need.isAsked) this.#deps.ask(needed);
    need.isAsked = true;
  }
}
