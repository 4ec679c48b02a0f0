import type { CoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";

/** A set of ids that never holds more than `most`: past it the oldest is forgotten. */
export class RecentIds {
  readonly #most: number;
  readonly #ids = new Set<CoValueId>();

  constructor(most: number = LIMITS.foundingNeeds) {
    this.#most = most;
  }

  add(id: CoValueId): void {
    this.#ids.add(id);
    const [oldest] = this.#ids;
    if (this.#ids.size > this.#most && oldest) this.#ids.delete(oldest);
  }

  /** @returns whether it was in the set. */
  delete(id: CoValueId): boolean {
    return this.#ids.delete(id);
  }
}
