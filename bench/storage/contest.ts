import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { LargeStore } from "../../test/support/large-store.ts";
import { interleave, type Sample, type Samples } from "../interleave.ts";

const script = fileURLToPath(new URL("./run.ts", import.meta.url));

/** What an acknowledgement survives, and the SQLite that promises the same. */
export const PROMISES = [
  { promise: "kill -9", ours: "ours-flush", sqlite: "sqlite-flush", sqliteName: "WAL, NORMAL" },
  { promise: "a power cut", ours: "ours-fsync", sqlite: "sqlite-fsync", sqliteName: "WAL, FULL" },
] as const;

export interface Scale {
  readonly covalues: number;
  /** Messages stored for each CoValue. */
  readonly messages: number;
  readonly clients: number;
}

/** Stores, then loads in a fresh process, with each of `stores` in turns. */
export function contest(stores: readonly string[], scale: Scale, rounds: number): Promise<Samples> {
  return interleave(
    stores.map((name) => ({ name, run: () => sample(name, scale) })),
    rounds,
  );
}

async function sample(store: string, { covalues, messages, clients }: Scale): Promise<Sample> {
  const base = await mkdtemp(join(tmpdir(), "bench-storage-"));
  const args = [String(covalues), String(messages), String(clients)];
  try {
    const ingested = (await runPhase(store, join(base, "store"), "ingest", args)) as Sample;
    return { ...ingested, ...((await runPhase(store, join(base, "store"), "loads", args)) as Sample) };
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

/** Fills a new store that a server can be started on. @param real CoValues in it that a node can load */
export async function fillStore(
  store: string,
  directory: string,
  covalues: number,
  real: number,
): Promise<LargeStore> {
  return (await runPhase(store, directory, "fill", [String(covalues), String(real)])) as LargeStore;
}

async function runPhase(store: string, directory: string, phase: string, args: string[]): Promise<unknown> {
  const { stdout } = await promisify(execFile)(process.execPath, [script, store, directory, phase, ...args], {
    maxBuffer: 16 * 1024 * 1024,
  });
  return JSON.parse(stdout);
}
