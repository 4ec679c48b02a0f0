import { interleave, type Sample, type Samples, series } from "../interleave.ts";
import { median, ratioOf } from "../statistics.ts";
import { formatMs, formatRatio, type Section, type Table } from "../table.ts";
import { NODE } from "../wake/empty-node.ts";
import { FilledStore } from "./filled-store.ts";
import { firstByte, SPRITE } from "./first-byte.ts";
import { serverMemory } from "./server-memory.ts";

interface Row {
  readonly what: string;
  readonly metric: string;
  /** What it is compared with. */
  readonly against: string;
  readonly aim?: string;
  readonly format: (value: number) => string;
}

const digits = (count: number) => (value: number) => value.toFixed(count);
const [NORMAL, FULL] = ["cojson SQLite, WAL, NORMAL", "cojson SQLite, WAL, FULL"];

const INGEST = [64, 8, 1].flatMap((clients): Row[] => {
  const who = clients === 1 ? "1 client that waits" : `${clients} clients that wait`;
  const kept = (metric: string) => `${metric}${clients}`;
  return [
    {
      what: `messages stored per second, ${who}; survives kill -9`,
      metric: `flush ${kept("ingest")}`,
      against: NORMAL,
      ...(clients === 64 ? { aim: "≥ 1.5" } : {}),
      format: digits(0),
    },
    {
      what: `the same; survives a power cut`,
      metric: `fsync ${kept("ingest")}`,
      against: FULL,
      ...(clients === 64 ? { aim: "≥ 3" } : {}),
      format: digits(0),
    },
  ];
});

const CONTEST: readonly Row[] = [
  ...INGEST,
  { what: "CPU µs per message, 64 clients", metric: "flush cpu64", against: NORMAL, format: digits(0) },
  {
    what: "cold loads per second, one at a time",
    metric: "load1",
    against: NORMAL,
    aim: "≥ 1",
    format: digits(0),
  },
  {
    what: "cold loads per second, 16 at once",
    metric: "load16",
    against: NORMAL,
    aim: "≥ 1",
    format: digits(0),
  },
  {
    what: "one at a time, once the process has loaded others",
    metric: "load1Later",
    against: NORMAL,
    format: digits(0),
  },
  {
    what: "bytes on disk per byte of transactions",
    metric: "diskPerByte",
    against: NORMAL,
    aim: "≤ 1",
    format: digits(2),
  },
  { what: "opening the store", metric: "openMs", against: NORMAL, format: formatMs },
];

const MEMORY: readonly Row[] = [
  {
    what: "memory of a server with all active CoValues, MB",
    metric: "residentMb",
    against: "cojson server with SQLite",
    aim: "≤ 1.5, < 200 MB",
    format: digits(0),
  },
  {
    what: "and at its peak, MB",
    metric: "peakMb",
    against: "cojson server with SQLite",
    format: digits(0),
  },
];

const ROUNDS = 5;
const STARTS = 15;
/** CoValues that a server has in memory when its memory is looked at. */
const ACTIVE = 1_000;

/**
 * The Sprite's storage with `size` CoValues stored, against cojson's SQLite storage through the same StorageAPI: all rows
 * of the table in docs/benchmarks.md.
 */
export function storageSection(size: number): Section {
  return {
    async run(quick, progress) {
      const covalues = quick ? Math.max(200, size / 20) : size;
      const active = Math.min(ACTIVE, covalues / 2);
      const rounds = quick ? 1 : ROUNDS;
      progress(`storing ${covalues} CoValues twice`);
      const stores: FilledStore[] = [];
      try {
        for (const name of ["ours", "sqlite"] as const)
          stores.push(await FilledStore.make(name, covalues, active));
        const [ours] = stores;
        if (ours === undefined) throw new RangeError("no store");
        progress(`storing and loading, ${rounds} rounds`);
        const contest = await interleave(
          stores.map((store) => ({ name: store.name, run: () => contend(store) })),
          rounds,
        );
        progress(`memory of servers, ${rounds} rounds`);
        const memory = await interleave(
          stores.map((store) => ({ name: store.name, run: () => serverMemory(store) })),
          rounds,
        );
        progress("cold starts");
        const starts = await firstByte(ours, quick ? 3 : STARTS);
        return [table(covalues, active, contest, memory, starts)];
      } finally {
        for (const store of stores) await store.remove();
      }
    },
  };
}

/** A cold load is that of a process which has just begun; so what was stored and loaded before does not matter. */
async function contend(store: FilledStore): Promise<Sample> {
  const sample: Record<string, number> = { diskPerByte: await store.diskPerByte() };
  for (const durability of ["flush", "fsync"] as const) {
    const measured = await store.measure(durability, "ingest");
    for (const [metric, value] of Object.entries(measured)) sample[`${durability} ${metric}`] = value;
  }
  return { ...sample, ...(await store.measure("flush", "loads")) };
}

function table(covalues: number, active: number, contest: Samples, memory: Samples, starts: Samples): Table {
  const rows = [
    ...CONTEST.map((row) =>
      cells(row, series(contest, "ours", row.metric), series(contest, "sqlite", row.metric)),
    ),
    ...MEMORY.map((row) =>
      cells(row, series(memory, "ours", row.metric), series(memory, "sqlite", row.metric)),
    ),
    ...startRows(starts),
  ];
  const [stored, used] = [covalues.toLocaleString("en"), active.toLocaleString("en")];
  return {
    title: `${stored} CoValues stored, ${used} of them active`,
    columns: ["", "this storage", "the other", "ratio", "aim", "against"],
    rows,
  };
}

function startRows(starts: Samples): string[][] {
  const node = series(starts, NODE, "ms");
  const row = (what: string, metric: string, aim?: string) =>
    cells(
      { what, metric, against: NODE, format: formatMs, ...(aim === undefined ? {} : { aim }) },
      series(starts, SPRITE, metric),
      node,
    );
  return [
    row("process spawned → first byte of a value", "firstByte", "≤ 2.5"),
    row("process spawned → it answers /healthz", "listening"),
  ];
}

function cells({ what, format, aim = "", against }: Row, mine: readonly number[], theirs: readonly number[]) {
  const ratio = formatRatio(ratioOf(mine, theirs));
  return [what, format(median(mine)), format(median(theirs)), ratio, aim, against];
}
