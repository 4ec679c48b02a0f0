import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { interleave, type Sample, type Samples, series } from "../interleave.ts";
import { median, percentile, ratioOf } from "../statistics.ts";
import { formatMs, formatRatio, type Section, type Table } from "../table.ts";
import { emptyNode, NODE } from "./empty-node.ts";
import { type Program, type Sleeper, startSleeper } from "./sleeper.ts";
import type { Step } from "./steps.ts";

const NAMES: Readonly<Record<Program, string>> = {
  bundle: "wake, bundled (as it is run)",
  sources: "wake, from sources",
};

/** What it takes until a client hears from a Sprite that slept, and where the time goes. */
export const wakeSection: Section = {
  async run(quick, progress) {
    progress("bundling the Sprite");
    const root = fileURLToPath(new URL("../..", import.meta.url));
    await promisify(execFile)(process.execPath, ["sprite/build.ts"], { cwd: root });
    progress("starting the stack");
    const sleeper = await startSleeper();
    try {
      const rounds = quick ? 6 : 30;
      progress(`${rounds} wakes of each kind`);
      const contenders = [
        { name: NODE, run: emptyNode },
        { name: NAMES.bundle, run: () => wake(sleeper, "bundle") },
        { name: NAMES.sources, run: () => wake(sleeper, "sources") },
      ];
      const samples = await interleave(contenders, rounds);
      return [totals(samples, rounds), parts(samples)];
    } finally {
      await sleeper.close();
    }
  },
};

async function wake(sleeper: Sleeper, program: Program): Promise<Sample> {
  const { spawned, steps, firstByte } = await sleeper.wake(program);
  return { spawned, ...Object.fromEntries(steps), ms: firstByte };
}

function totals(samples: Samples, rounds: number): Table {
  const node = series(samples, NODE, "ms");
  const rows = [...samples.keys()].map((name) => {
    const times = series(samples, name, "ms");
    return [
      name,
      formatMs(median(times)),
      formatMs(percentile(times, 0.95)),
      formatRatio(ratioOf(times, node)),
    ];
  });
  return {
    title: `a client's request → first byte of the value, Sprite asleep (${rounds} wakes)`,
    columns: ["", "p50", "p95", `× ${NODE}`],
    rows,
  };
}

/** A timeline: when each step was reached, and how long it took since the one before. */
function parts(samples: Samples): Table {
  const steps: readonly (readonly [string, Step | "spawned" | "ms"])[] = [
    ["the edge's request reaches the fleet, process spawned", "spawned"],
    ["listening", "listening"],
    ["all modules loaded", "loaded"],
    ["store open", "storage open"],
    ["the edge's socket attached (pass checked, node ready)", "upstream opened"],
    ["first byte at the client", "ms"],
  ];
  let before = series(samples, NAMES.bundle, "spawned").map(() => 0);
  const rows = steps.map(([title, metric]) => {
    const reached = series(samples, NAMES.bundle, metric);
    const took = reached.map((at, round) => at - (before[round] ?? 0));
    before = reached;
    return [title, formatMs(median(reached)), formatMs(median(took)), formatMs(percentile(took, 0.95))];
  });
  return {
    title: "the parts of a wake, bundled",
    columns: ["step", "since the request, p50", "the step alone, p50", "the step alone, p95"],
    rows,
  };
}
