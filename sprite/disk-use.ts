import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";

/** How often the directory is looked at: some dozens of files. */
const LOOK_MS = 5_000;

/** What a store takes on the disk: as its files were measured last, and what its log has grown by since. */
export class DiskUse {
  readonly #directory: string;
  /** Bytes ever appended to the log. */
  readonly #appended: () => number;
  #measured = 0;
  #appendedThen = 0;
  #lookedAt = Number.NEGATIVE_INFINITY;
  #looking: Promise<void> | undefined;

  constructor(directory: string, appended: () => number) {
    this.#directory = directory;
    this.#appended = appended;
  }

  get bytes(): number {
    return this.#measured + Math.max(0, this.#appended() - this.#appendedThen);
  }

  /** To be called about every second; measures now and then. Never rejects. */
  look(): Promise<void> {
    if (this.#looking) return this.#looking;
    if (performance.now() - this.#lookedAt < LOOK_MS) return Promise.resolve();
    this.#looking = this.#measure().finally(() => {
      this.#lookedAt = performance.now();
      this.#looking = undefined;
    });
    return this.#looking;
  }

  async #measure(): Promise<void> {
    const appended = this.#appended();
    try {
      const entries = await readdir(this.#directory, { recursive: true, withFileTypes: true });
      const files = entries.filter((entry) => entry.isFile());
      const sizes = await Promise.all(files.map(({ parentPath, name }) => bytesOf(join(parentPath, name))));
      this.#measured = sizes.reduce((sum, size) => sum + size, 0);
      this.#appendedThen = appended;
    } catch {
      // Not there yet, or not readable: what was measured before has to do.
    }
  }
}

async function bytesOf(file: string): Promise<number> {
  try {
    const { blocks } = await stat(file);
    return blocks * 512;
  } catch {
    // RocksDB has removed it meanwhile.
    return 0;
  }
}
