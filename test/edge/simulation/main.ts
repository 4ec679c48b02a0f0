import { defineCommand, type Values, wholeNumber } from "../../../cli/command.ts";
import { UsageError } from "../../../cli/failure.ts";
import { main } from "../../../cli/main.ts";
import { parseOperations } from "./operations.ts";
import { describeCounts, explain } from "./report.ts";
import { run } from "./run.ts";
import { AS_IT_IS, MUTANTS, type Variant } from "./variants.ts";

const NAME = "simulate";
const OPTIONS = {
  runs: { type: "string", default: "1000", value: "N", about: "how many worlds to play" },
  seed: {
    type: "string",
    default: String(Math.floor(Date.now() / 1000)),
    value: "S",
    about: "the first one's seed; the others follow it (default: of the time)",
  },
  operations: {
    type: "string",
    value: '"…"',
    about: "plays these instead of the seed's own, once, and tells everything that happens",
  },
  trace: { type: "boolean", default: false, about: "tells everything that happens" },
  mutant: {
    type: "string",
    value: "NAME",
    about: `breaks a rule of the edge: ${MUTANTS.map(({ name }) => `"${name}"`).join(", ")}`,
  },
  failures: { type: "string", default: "1", value: "N", about: "stops after so many failures" },
  counts: { type: "boolean", default: false, about: "tells what happened how often" },
} as const;

/** How often a long run says how far it is (ms). */
const PROGRESS_MS = 30_000;

/** The long form of simulation.test.ts. */
const SIMULATE = defineCommand({
  name: NAME,
  about: "The property test of the whole edge, on a virtual clock. Exit code 1: a promise was broken.",
  options: OPTIONS,
  failureCode: 2,
  run: simulate,
});

async function simulate(values: Values<typeof OPTIONS>): Promise<number> {
  const operations = values.operations === undefined ? undefined : parseOperations(values.operations);
  const first = wholeNumber(NAME, "seed", values.seed);
  const runs = operations ? 1 : wholeNumber(NAME, "runs", values.runs);
  const mostFailures = wholeNumber(NAME, "failures", values.failures);
  const options = {
    variant: variantOf(values.mutant),
    counts: new Map<string, number>(),
    ...(operations && { operations }),
    ...((values.trace || operations) && { trace: say }),
  };
  let failures = 0;
  let said = performance.now();
  const started = said;
  for (let seed = first; seed < first + runs; seed++) {
    const outcome = await run(seed, options);
    if (outcome.violations.length > 0) {
      failures++;
      say(operations ? outcome.violations.join("\n") : await explain(outcome, { variant: options.variant }));
      if (failures >= mostFailures) break;
    }
    if (performance.now() - said < PROGRESS_MS) continue;
    said = performance.now();
    say(`${seed - first + 1} of ${runs} runs, ${failures} failed`);
  }
  if (values.counts) say(describeCounts(options.counts));
  const seconds = Math.round((performance.now() - started) / 1000);
  say(failures > 0 ? `${failures} failed` : `seeds ${first} to ${first + runs - 1} hold (${seconds} s)`);
  return failures > 0 ? 1 : 0;
}

function variantOf(name: string | undefined): Variant {
  if (name === undefined) return AS_IT_IS;
  const mutant = MUTANTS.find((one) => one.name === name);
  if (!mutant) throw new UsageError(NAME, `There is no mutant "${name}"`);
  return mutant;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

await main(SIMULATE);
