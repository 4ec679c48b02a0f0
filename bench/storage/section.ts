import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { interleave, type Sample, type Samples, series } from "../interleave.ts";
import { median, ratioOf } from "../statistics.ts";
import { formatRatio, type Section, type Table } from "../table.ts";

const run = promisify(execFile);
const script = fileURLToPath(new URL("./run.ts", import.meta.url));

/** What an acknowledgement survives, and the SQLite that promises the same. */
const PROMISES = [
  { promise: "kill -9", ours: "ours-flush", sqlite: "sqlite-flush", sqliteName: "WAL, NORMAL" },
  { promise: "a power cut", ours: "ours-fsync", sqlite: "sqlite-fsync", sqliteName: "WAL, FULL" },
] as const;

interface Metric {
  readonly name: string;
  readonly label: string;
  readonly digits: number;
}

const INGEST: readonly Metric[] = [
  { name: "perSecond", label: "messages stored per second", digits: 0 },
  { name: "cpuMsPerMessage", label: "CPU ms per message", digits: 3 },
  { name: "diskPerByte", label: "bytes on disk per byte of transactions, after closing", digits: 2 },
];
const LOAD: readonly Metric[] = [
  { name: "onePerSecond", label: "loads per second, one at a time", digits: 0 },
  { name: "sixteenPerSecond", label: "loads per second, 16 at once", digits: 0 },
  { name: "openMs", label: "ms to open", digits: 1 },
];

/** The Sprite's storage against cojson's SQLite storage, through the same StorageAPI, each run in a fresh process. */
export const storageSection: Section = {
  async run(quick, progress, large) {
    const rounds = quick ? 1 : 5;
    const tables: Table[] = [];
    for (const clients of [1, 8, 64]) {
      progress(`3,000 CoValues, 9,000 messages from ${clients} clients, ${rounds} rounds`);
      const samples = await measure({ covalues: 3_000, clients, loads: clients === 64 }, rounds);
      const waiting = `${clients} ${clients === 1 ? "client" : "clients"}, each waiting for its acknowledgement`;
      tables.push(table(`ingest: ${waiting}`, samples, INGEST));
      if (clients === 64) tables.push(table("load, from 3,000 CoValues", samples, LOAD));
    }
    if (quick || !large) return tables;
    for (const covalues of [20_000, 100_000]) {
      progress(`${covalues} CoValues, one round`);
      const samples = await measure({ covalues, clients: 64, loads: true }, 1);
      tables.push(table(`${covalues} CoValues, 64 clients (one run)`, samples, [...INGEST, ...LOAD]));
    }
    return tables;
  },
};

interface Scale {
  readonly covalues: number;
  readonly clients: number;
  readonly loads: boolean;
}

function measure(scale: Scale, rounds: number): Promise<Samples> {
  const stores = PROMISES.flatMap(({ ours, sqlite }) => [sqlite, ours]);
  return interleave(
    stores.map((name) => ({ name, run: () => sample(name, scale) })),
    rounds,
  );
}

async function sample(store: string, { covalues, clients, loads }: Scale): Promise<Sample> {
  const base = await mkdtemp(join(tmpdir(), "bench-storage-"));
  const phase = async (name: string): Promise<Sample> => {
    const args = [script, store, join(base, "store"), name, String(covalues), "3", String(clients)];
    const { stdout } = await run(process.execPath, args);
    return JSON.parse(stdout) as Sample;
  };
  try {
    const ingested = await phase("ingest");
    return loads ? { ...ingested, ...(await phase("loads")) } : ingested;
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

function table(title: string, samples: Samples, metrics: readonly Metric[]): Table {
  const rows = PROMISES.flatMap(({ promise, ours, sqlite, sqliteName }) =>
    metrics.map(({ name, label, digits }) => {
      const [mine, theirs] = [series(samples, ours, name), series(samples, sqlite, name)];
      const values = [median(mine), median(theirs)].map((value) => value.toFixed(digits));
      return [`survives ${promise}: ${label}`, ...values, formatRatio(ratioOf(mine, theirs)), sqliteName];
    }),
  );
  return { title, columns: ["", "this storage", "cojson SQLite", "ratio", "SQLite's mode"], rows };
}
