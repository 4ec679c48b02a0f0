import { randomOf } from "../../sprite/storage/random.ts";

/** Decisions that a seed repeats. */
export class Chance {
  readonly #next: () => number;

  constructor(seed: number) {
    this.#next = randomOf(seed);
  }

  is(probability: number): boolean {
    return this.#next() < probability;
  }

  between(low: number, high: number): number {
    return low + this.#next() * (high - low);
  }

  below(limit: number): number {
    return Math.floor(this.#next() * limit);
  }

  /** @returns one of `items`, or nothing when there are none. */
  pick<T>(items: readonly T[]): T | undefined {
    return items[this.below(items.length)];
  }

  /** Picks by weight; weights need not add up to anything. */
  weighted<T>(items: readonly (readonly [item: T, weight: number])[]): T | undefined {
    let rest = this.#next() * items.reduce((sum, [, weight]) => sum + weight, 0);
    return items.find(([, weight]) => {
      rest -= weight;
      return rest < 0;
    })?.[0];
  }

  /** Decisions of their own for something that runs beside the rest, so that its pace does not change theirs. */
  fork(): Chance {
    return new Chance(this.below(2 ** 32));
  }
}
