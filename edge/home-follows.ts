import type { GroupId } from "../shared/ids.ts";
import type { Budget } from "./budget.ts";
import type { Follow } from "./follow.ts";
import type { Remembered } from "./remembered.ts";
import { Unacknowledged } from "./unacknowledged.ts";

/**
 * What one session follows at one home. Keeps count of what is owed and what is being repaired, so that asking costs
 * nothing however much is followed; the follows themselves keep the counts true.
 */
export class HomeFollows {
  readonly home: GroupId;
  /** Follows whose home has not shown that it has all the client has. */
  unsettled = 0;
  /** Follows whose replayed `load` has not been answered. */
  unanswered = 0;
  readonly unacknowledged: Unacknowledged;
  readonly remembered: Remembered;
  // An array costs 8 bytes a follow and a Set about 35; nothing is removed but wrong guesses.
  readonly #follows: Follow[] = [];

  /**
   * @param kept for the content that its home has not acknowledged
   * @param remembered for what the follows hold
   */
  constructor(home: GroupId, kept: Budget, remembered: Remembered) {
    this.home = home;
    this.remembered = remembered;
    this.unacknowledged = new Unacknowledged(kept);
  }

  get size(): number {
    return this.#follows.length;
  }

  add(follow: Follow): void {
    this.#follows.push(follow);
  }

  remove(follow: Follow): void {
    const index = this.#follows.indexOf(follow);
    if (index === -1) return;
    follow.forget();
    this.#follows.splice(index, 1);
  }

  /** What a new upstream begins with. */
  *attach(): Generator<string> {
    for (const follow of this.#follows) if (follow.replay) yield follow.attach();
  }

  /** The upstream is gone, with everything that was on its way; or the queue of what waited for it. */
  lost(): void {
    for (const follow of this.#follows) follow.upstreamLost();
  }
}
