import type { Operation } from "./operations.ts";
import { type Outcome, type RunOptions, run } from "./run.ts";

/** The violation without what differs from one run to another: times, names, ids. */
export function kindOf(violation: string): string {
  return violation
    .replace(/^at \d+ ms: /, "")
    .replace(/client \d+|co_z\w+|(?:map|group|account) \w+|\d+|\[.*?\]/g, "#");
}

/**
 * Leaves operations out of a failed run while it still fails in the same way. Random delays shift with each that is left
 * out, so that this finds a shorter failure and not always the same.
 * @param runs how many runs it may take.
 */
export async function shrink(failed: Outcome, options: RunOptions, runs = 300): Promise<Outcome> {
  const kind = kindOf(failed.violations[0] ?? "");
  let best = failed;
  let left = runs;
  for (let size = Math.ceil(best.operations.length / 2); size >= 1; size = Math.floor(size / 2)) {
    for (let from = 0; from < best.operations.length && left > 0; left--) {
      const operations: Operation[] = best.operations.toSpliced(from, size);
      const outcome = await run(failed.seed, { ...options, operations });
      if (kindOf(outcome.violations[0] ?? "") === kind) best = outcome;
      else from += size;
    }
  }
  return best;
}
