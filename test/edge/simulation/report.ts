import { operationsText } from "./operations.ts";
import { type Outcome, type RunOptions, run } from "./run.ts";
import { shrink } from "./shrink.ts";

/** How many of the last lines of a failed run are shown. */
const TRAIL_LINES = 60;

/** What a person needs to understand a failed run and to play it again. */
export async function explain(failed: Outcome, options: RunOptions = {}): Promise<string> {
  const small = await shrink(failed, { ...options, counts: new Map() });
  const lines: string[] = [];
  const trace = (line: string) => lines.push(line);
  await run(small.seed, { ...options, counts: new Map(), operations: small.operations, trace });
  const operations = operationsText(small.operations);
  return [
    `seed ${failed.seed}: ${failed.violations.join("\n  ")}`,
    `shrunk from ${failed.operations.length} to ${small.operations.length} operations: ${small.violations[0]}`,
    `again: npm run simulate -- --seed ${failed.seed} --runs 1`,
    `shrunk: npm run simulate -- --seed ${failed.seed} --operations "${operations}"`,
    `the last lines of the shrunk run:`,
    ...lines.slice(-TRAIL_LINES),
  ].join("\n");
}

/** The counts of what happened, most first, in columns. */
export function describeCounts(counts: ReadonlyMap<string, number>): string {
  return [...counts]
    .toSorted(([, a], [, b]) => b - a)
    .map(([what, count]) => `${String(count).padStart(9)} ${what}`)
    .join("\n");
}
