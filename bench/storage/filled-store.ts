import { execFile } from "node:child_process";
import { cp, mkdtemp, open, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { LargeStore } from "../../test/support/large-store.ts";
import type { Sample } from "../interleave.ts";

const script = fileURLToPath(new URL("./run.ts", import.meta.url));
const run = promisify(execFile);

/** Whose store it is. */
export type StoreName = "ours" | "sqlite";
/** What an acknowledgement survives: the death of the process, or of the computer. */
export type Durability = "flush" | "fsync";

/** What is in a store that was filled. */
export interface Filled extends LargeStore {
  /** Bytes of all transactions, as JSON. */
  readonly transactionBytes: number;
}

/** A store with CoValues in it. Whatever is measured is measured on a copy, so that each time finds it the same. */
export class FilledStore {
  readonly name: StoreName;
  readonly covalues: number;
  readonly content: Filled;
  readonly #base: string;

  private constructor(name: StoreName, covalues: number, content: Filled, base: string) {
    this.name = name;
    this.covalues = covalues;
    this.content = content;
    this.#base = base;
  }

  /** @param real CoValues in it, besides `covalues` others, that a node can load. */
  static async make(name: StoreName, covalues: number, real: number): Promise<FilledStore> {
    const base = await mkdtemp(join(tmpdir(), "bench-storage-"));
    const content = await phase<Filled>(name, "flush", join(base, "filled"), "fill", covalues, real);
    return new FilledStore(name, covalues, content, base);
  }

  /** One measurement in a process of its own, see run.ts. */
  measure(durability: Durability, what: "ingest" | "loads"): Promise<Sample> {
    return this.withCopy((copy) => phase<Sample>(this.name, durability, copy, what, this.covalues));
  }

  async withCopy<Result>(use: (copy: string) => Promise<Result>): Promise<Result> {
    const copy = join(this.#base, "copy");
    try {
      await cp(join(this.#base, "filled"), copy, { recursive: true });
      // Else the kernel writes it while something is measured.
      await syncFiles(copy);
      return await use(copy);
    } finally {
      await rm(copy, { recursive: true, force: true });
    }
  }

  /** Bytes on disk per byte of transactions. */
  async diskPerByte(): Promise<number> {
    const { stdout } = await run("du", ["-sB1", join(this.#base, "filled")]);
    return Number(stdout.split("\t")[0]) / this.content.transactionBytes;
  }

  async remove(): Promise<void> {
    await rm(this.#base, { recursive: true, force: true });
  }
}

async function phase<Result>(...args: readonly (string | number)[]): Promise<Result> {
  const { stdout } = await run(process.execPath, [script, ...args.map(String)], {
    maxBuffer: 16 * 1024 * 1024,
  });
  return JSON.parse(stdout) as Result;
}

async function syncFiles(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile()) continue;
    const file = await open(join(entry.parentPath, entry.name), "r");
    await file.sync();
    await file.close();
  }
}
