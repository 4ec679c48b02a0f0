import { type Samples, series } from "../interleave.ts";
import { median, ratioOf } from "../statistics.ts";
import { formatRatio, type Section, type Table } from "../table.ts";
import { contest, PROMISES } from "./contest.ts";
import { serverMemory } from "./server-memory.ts";

interface Metric {
  readonly name: string;
  readonly label: string;
  readonly digits: number;
}

const INGEST: readonly Metric[] = [
  { name: "perSecond", label: "messages stored per second", digits: 0 },
  { name: "cpuMsPerMessage", label: "CPU ms per message", digits: 3 },
];
const LOAD: readonly Metric[] = [
  { name: "onePerSecond", label: "cold loads per second, one at a time", digits: 0 },
  { name: "sixteenPerSecond", label: "cold loads per second, 16 at once", digits: 0 },
  { name: "diskPerByte", label: "bytes on disk per byte of transactions", digits: 2 },
  { name: "openMs", label: "ms to open", digits: 1 },
];
const MEMORY: readonly Metric[] = [
  { name: "peakMb", label: "a whole server's memory at its peak, MB", digits: 0 },
  { name: "residentMb", label: "and afterwards, MB", digits: 0 },
];

/** CoValues and messages for each; the last is long enough with one. */
const GROWTH = [
  { covalues: 1_000, messages: 3, rounds: 5 },
  { covalues: 10_000, messages: 3, rounds: 5 },
  { covalues: 100_000, messages: 1, rounds: 3 },
] as const;
const QUICK_GROWTH = [
  { covalues: 200, messages: 3, rounds: 1 },
  { covalues: 1_000, messages: 3, rounds: 1 },
] as const;

const ROUNDS = 5;
const BASE = { covalues: 1_500, messages: 3 } as const;
const QUICK_BASE = { covalues: 300, messages: 3 } as const;

/** The Sprite's storage against cojson's SQLite storage, through the same StorageAPI, each run in a fresh process. */
export const storageSection: Section = {
  async run(quick, progress) {
    const base = quick ? QUICK_BASE : BASE;
    const rounds = quick ? 1 : ROUNDS;
    const tables: Table[] = [];
    for (const clients of [1, 8, 64]) {
      progress(`${base.covalues} CoValues, ${clients} clients, ${rounds} rounds`);
      const stores = PROMISES.flatMap(({ ours, sqlite }) => [sqlite, ours]);
      const samples = await contest(stores, { ...base, clients }, rounds);
      const waiting = clients === 1 ? "1 client that waits" : `${clients} clients that each wait`;
      tables.push(promiseTable(`ingest: ${waiting} for its acknowledgement`, samples, INGEST));
      if (clients === 64) tables.push(promiseTable(`load, from ${base.covalues} CoValues`, samples, LOAD));
    }
    const grown: Grown[] = [];
    for (const { covalues, messages, rounds } of quick ? QUICK_GROWTH : GROWTH) {
      progress(`${covalues} CoValues, ${rounds} rounds`);
      const { ours, sqlite } = PROMISES[0];
      const samples = await contest([sqlite, ours], { covalues, messages, clients: 64 }, rounds);
      const active = Math.min(1_000, covalues / 2);
      progress(`${covalues} CoValues in a server, ${rounds} rounds`);
      grown.push({ covalues, samples, memory: await serverMemory(covalues, active, rounds) });
    }
    return [...tables, growthTable(grown)];
  },
};

function promiseTable(title: string, samples: Samples, metrics: readonly Metric[]): Table {
  const rows = PROMISES.flatMap(({ promise, ours, sqlite, sqliteName }) =>
    metrics.map((metric) => {
      const { mine, theirs, ratio } = compare(samples, metric, ours, sqlite);
      return [`survives ${promise}: ${metric.label}`, mine, theirs, ratio, sqliteName];
    }),
  );
  return { title, columns: ["", "this storage", "cojson SQLite", "ratio", "SQLite's mode"], rows };
}

interface Grown {
  readonly covalues: number;
  readonly samples: Samples;
  readonly memory: Samples;
}

function growthTable(grown: readonly Grown[]): Table {
  const { ours, sqlite } = PROMISES[0];
  const groups = [
    ...[...INGEST, ...LOAD].map((metric) => ({ metric, of: ({ samples }: Grown) => samples })),
    ...MEMORY.map((metric) => ({ metric, of: ({ memory }: Grown) => memory })),
  ];
  const rows = groups.flatMap(({ metric, of }) => {
    const cells = grown.map((one) => compare(of(one), metric, ours, sqlite));
    return [
      [metric.label, "this storage", ...cells.map(({ mine }) => mine)],
      ["", "cojson SQLite", ...cells.map(({ theirs }) => theirs)],
      ["", "ratio", ...cells.map(({ ratio }) => ratio)],
    ];
  });
  const sizes = grown.map(({ covalues }) => `${covalues} CoValues`);
  const title = "growth: 64 clients, survives kill -9; a server of which 1,000 CoValues, or half, are active";
  return { title, columns: ["", "", ...sizes], rows };
}

function compare(samples: Samples, { name, digits }: Metric, ours: string, sqlite: string) {
  const [mine, theirs] = [series(samples, ours, name), series(samples, sqlite, name)];
  return {
    mine: median(mine).toFixed(digits),
    theirs: median(theirs).toFixed(digits),
    ratio: formatRatio(ratioOf(mine, theirs)),
  };
}
