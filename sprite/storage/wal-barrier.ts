import { closeSync, fdatasync, fsync, openSync, readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { promisify } from "node:util";

const fdatasyncAsync = promisify(fdatasync);
const fsyncAsync = promisify(fsync);

/** A directory's time moves in steps of the kernel's clock, up to 10 ms; two changes in one step leave the same time. */
const CLOCK_STEP_MS = 100;

/**
 * Makes everything RocksDB has acknowledged survive a power cut. rocksdb-native exposes no `WriteOptions.sync`, but it
 * has handed each record to the kernel before its promise resolves, so `fdatasync` on any descriptor of the same
 * write-ahead log does it (facts/storage.md §1a: 65 simulated power cuts, nothing lost). Older logs count too:
 * rotating a log does not sync it.
 */
export class WalBarrier {
  readonly #directory: string;
  readonly #open = new Map<string, number>();
  /** When the directory had last changed, once that is so long ago that another change would show. */
  #unchangedSince: bigint | undefined;

  /** @param directory RocksDB's own directory, the one with `*.log` in it. */
  constructor(directory: string) {
    this.#directory = directory;
  }

  /** @throws whatever the file system says; nothing written since the last success may then be called durable. */
  async sync(): Promise<void> {
    const appeared = this.#follow();
    await Promise.all([...this.#open.values()].map((descriptor) => fdatasyncAsync(descriptor)));
    // A new file is only findable after a power cut once its directory entry is on disk.
    if (appeared) await this.#syncDirectory();
  }

  close(): void {
    for (const descriptor of this.#open.values()) closeSync(descriptor);
    this.#open.clear();
  }

  /** @returns whether a log has appeared. */
  #follow(): boolean {
    // Looking at the time takes a tenth of listing the directory, and flushes are many, new logs few.
    const { mtimeNs } = statSync(this.#directory, { bigint: true });
    if (mtimeNs === this.#unchangedSince) return false;
    const ageMs = Date.now() - Number(mtimeNs / 1_000_000n);
    const appeared = this.#list();
    this.#unchangedSince = ageMs > CLOCK_STEP_MS ? mtimeNs : undefined;
    return appeared;
  }

  #list(): boolean {
    const live = new Set(readdirSync(this.#directory).filter((name) => name.endsWith(".log")));
    for (const [name, descriptor] of this.#open) {
      if (live.has(name)) continue;
      closeSync(descriptor);
      this.#open.delete(name);
    }
    let appeared = false;
    for (const name of live) {
      if (this.#open.has(name)) continue;
      try {
        this.#open.set(name, openSync(join(this.#directory, name), "r"));
        appeared = true;
      } catch (error) {
        // RocksDB deletes a log only after it has synced its content into a table file.
        if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      }
    }
    return appeared;
  }

  async #syncDirectory(): Promise<void> {
    const descriptor = openSync(this.#directory, "r");
    try {
      await fsyncAsync(descriptor);
    } finally {
      closeSync(descriptor);
    }
  }
}
