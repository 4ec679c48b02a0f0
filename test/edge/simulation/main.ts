import { parseArgs } from "node:util";
import { parseOperations } from "./operations.ts";
import { describeCounts, explain } from "./report.ts";
import { run } from "./run.ts";
import { AS_IT_IS, MUTANTS, type Variant } from "./variants.ts";

const USAGE = `npm run simulate -- [options]
  --runs N          how many worlds to play (1000)
  --seed S          the first one's seed; the others follow it (today's date)
  --operations "…"  plays these instead of the seed's own, once, and tells everything that happens
  --trace           tells everything that happens
  --mutant NAME     breaks a rule of the edge: ${MUTANTS.map(({ name }) => `"${name}"`).join(", ")}
  --failures N      stops after so many failures (1)
  --counts          tells what happened how often`;

/** How often a long run says how far it is (ms). */
const PROGRESS_MS = 30_000;

/** `npm run simulate`: the long form of simulation.test.ts. Ends with 1 when a promise was broken. */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      runs: { type: "string", default: "1000" },
      seed: { type: "string", default: String(Math.floor(Date.now() / 1000)) },
      operations: { type: "string" },
      trace: { type: "boolean", default: false },
      mutant: { type: "string" },
      failures: { type: "string", default: "1" },
      counts: { type: "boolean", default: false },
      help: { type: "boolean", default: false },
    },
  });
  if (values.help) return say(USAGE);
  const operations = values.operations === undefined ? undefined : parseOperations(values.operations);
  const first = wholeNumber("seed", values.seed);
  const runs = operations ? 1 : wholeNumber("runs", values.runs);
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
      if (failures >= wholeNumber("failures", values.failures)) break;
    }
    if (performance.now() - said < PROGRESS_MS) continue;
    said = performance.now();
    say(`${seed - first + 1} of ${runs} runs, ${failures} failed`);
  }
  if (values.counts) say(describeCounts(options.counts));
  const seconds = Math.round((performance.now() - started) / 1000);
  say(failures > 0 ? `${failures} failed` : `seeds ${first} to ${first + runs - 1} hold (${seconds} s)`);
  process.exitCode = failures > 0 ? 1 : 0;
}

function variantOf(name: string | undefined): Variant {
  if (name === undefined) return AS_IT_IS;
  const mutant = MUTANTS.find((one) => one.name === name);
  if (!mutant) throw new Error(`there is no mutant "${name}"`);
  return mutant;
}

function wholeNumber(option: string, text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 0) throw new Error(`--${option} ${text}: say a whole number`);
  return number;
}

function say(text: string): void {
  process.stdout.write(`${text}\n`);
}

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n${USAGE}\n`);
  process.exitCode = 2;
});
