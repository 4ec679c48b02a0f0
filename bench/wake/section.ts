import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { interleave, type Sample, type Samples, series } from "../interleave.ts";
import { median, percentile, ratioOf } from "../statistics.ts";
import { formatMs, formatRatio, type Section, type Table } from "../table.ts";
import { MARKS } from "./marks.ts";
import { type Program, type Sleeper, startSleeper } from "./sleeper.ts";

const NODE = "node -e 0";
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

async function emptyNode(): Promise<Sample> {
  const begun = performance.now();
  const child = spawn(process.execPath, ["-e", "0"], { stdio: "ignore" });
  await once(child, "exit");
  return { ms: performance.now() - begun };
}

async function wake(sleeper: Sleeper, program: Program): Promise<Sample> {
  const { spawned, marks, firstByte } = await sleeper.wake(program);
  return { spawned, ...Object.fromEntries(marks), ms: firstByte };
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
  const steps = [
    ["the edge's request reaches the fleet, process spawned", "spawned"],
    ["Node runs its first line", MARKS[0]],
    ["modules imported", MARKS[1]],
    ["listening", MARKS[2]],
    ["store open", MARKS[3]],
    ["the edge's socket attached (crypto and node ready)", MARKS[4]],
    ["first byte at the client", "ms"],
  ] as const;
  let before = series(samples, NAMES.sources, "spawned").map(() => 0);
  const rows = steps.map(([title, metric]) => {
    const reached = series(samples, NAMES.sources, metric);
    const took = reached.map((at, round) => at - (before[round] ?? 0));
    before = reached;
    return [title, formatMs(median(reached)), formatMs(median(took)), formatMs(percentile(took, 0.95))];
  });
  return {
    title: "the parts of a wake, from sources",
    columns: ["step", "since the request, p50", "the step alone, p50", "the step alone, p95"],
    rows,
  };
}
