import { describe, expect, test } from "vitest";
import { KINDS, parseOperations } from "./operations.ts";
import { PAST_FAILURES } from "./past-failures.ts";
import { describeCounts, explain } from "./report.ts";
import { run } from "./run.ts";
import { MUTANTS } from "./variants.ts";

/** `SIM_SEED`, `SIM_RUNS`: other worlds, or more of them. `npm run simulate` has more to offer. */
const SEED = Number(process.env.SIM_SEED ?? 1);
const RUNS = Number(process.env.SIM_RUNS ?? 1_000);
/** A mutant that is hard to see needs a few hundred. */
const MUTANT_RUNS = 2_000;
const LONG = { timeout: Math.max(300_000, RUNS * 500) };

/** What must have happened in a thousand runs, besides every kind of operation, or they prove nothing. */
const MUST_HAPPEN: Readonly<Record<string, number>> = {
  boot: 2_000,
  sleep: 1_500,
  watch: 2_000,
  "watcher told": 1_000,
  "late watcher told at once": 10,
  "attach: client": 2_000,
  "attach: told": 1_000,
  "attach: lost": 300,
  "attach: owed": 30,
  "attach: placed": 40,
  replays: 2_000,
  repairs: 500,
  correction: 1_000,
  overflows: 300,
  reconciled: 100,
  "mark answered by an old client": 200,
  "dependency asked of a client": 200,
  "late arrival of an unknown id": 40,
  "slow wake": 100,
  refusal: 200,
  "fleet trouble": 500,
  "failed call": 300,
  "failed dial": 1_000,
  "closed before it was used": 20,
  "message during closing": 10,
  "write around a sleep": 200,
  "crash between two stores": 8,
  "ordered stop": 50,
  "a Sprite had no room for content": 200,
  held: 5,
  "digest kept": 500,
  "last word": 20,
  "a home was not woken": 50,
  "disk restored": 15,
};

describe("the edge, its Sprites, its browsers and everything that can go wrong between them", () => {
  test(
    "whatever happens, nobody misses an update, nothing is lost, and nothing wakes without a reason",
    LONG,
    async () => {
      const counts = new Map<string, number>();
      for (let seed = SEED; seed < SEED + RUNS; seed++) {
        const outcome = await run(seed, { counts });
        if (outcome.violations.length > 0) expect.fail(await explain(outcome));
      }
      // Not vacuous: everything that can go wrong did.
      const due = { ...MUST_HAPPEN, ...Object.fromEntries(KINDS.map((kind) => [`op: ${kind}`, 15])) };
      for (const [what, times] of Object.entries(due))
        expect(counts.get(what) ?? 0, `${what}\n${describeCounts(counts)}`).toBeGreaterThan(
          (times * RUNS) / 1_000,
        );
    },
  );

  test.each(MUTANTS)("is caught when $name", LONG, async (variant) => {
    const { since = 1 } = variant;
    for (let seed = since; seed < since + MUTANT_RUNS; seed++) {
      if ((await run(seed, { variant })).violations.length > 0) return;
    }
    expect.fail(`${MUTANT_RUNS} runs found nothing wrong`);
  });

  test("plays the same again from the same seed", async () => {
    const play = async () => {
      const lines: string[] = [];
      await run(7, { trace: (line) => lines.push(line) });
      return lines;
    };
    const lines = await play();
    expect(lines.length).toBeGreaterThan(50);
    expect(await play()).toEqual(lines);
  });
});

describe.runIf(PAST_FAILURES.length > 0)("what once went wrong", () => {
  test.each(PAST_FAILURES)("$name", async ({ seed, operations }) => {
    const outcome = await run(seed, { operations: parseOperations(operations) });
    expect(outcome.violations).toEqual([]);
  });
});
