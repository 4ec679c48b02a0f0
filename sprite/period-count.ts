import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { SpriteSyncError } from "../shared/errors.ts";

/**
 * Counts this Sprite's awake periods: one for each process and each resume, larger than all before it (docs/protocol.md).
 *
 * The count is kept beside the store. Where it is missing, on a new disk or an empty replacement of a lost one, it goes on
 * from what the coordinator has heard of, which a pass names when the edge has just asked it. So it does where the count is
 * behind, on a disk that was restored from a snapshot: a period whose number is too small would be no news to anybody.
 */
export class PeriodCount {
  readonly #file: string;
  #begun: Promise<number> | undefined;

  constructor(file: string) {
    this.#file = file;
  }

  /**
   * The number of the period that this process is. The first call decides it; a later one raises it when more periods than
   * that have been heard of.
   * @param after how many periods the coordinator has heard of, if the edge has just asked it.
   * @throws SpriteSyncError `wrong-sprite` when neither disk nor pass knows the count: the edge then asks the coordinator.
   */
  begin(after: number | undefined): Promise<number> {
    const begun = this.#begun;
    const next = begun ? begun.then((number) => this.#raised(number, after)) : this.#next(after);
    this.#begun = next;
    next.catch(() => {
      if (this.#begun === next) this.#begun = undefined;
    });
    return next;
  }

  #raised(number: number, after: number | undefined): number | Promise<number> {
    return after === undefined || after <= number ? number : this.#keep(after + 1);
  }

  /** This process is awake in another period from now on: its host was suspended, and it slept with its memory. */
  renew(): void {
    this.#begun = undefined;
  }

  async #next(after: number | undefined): Promise<number> {
    const before = await this.#read();
    if (before === undefined && after === undefined) {
      throw new SpriteSyncError(
        "wrong-sprite",
        "this Sprite's disk is new; ask its coordinator how often it was awake",
      );
    }
    return this.#keep(Math.max(before ?? 0, after ?? 0) + 1);
  }

  async #keep(number: number): Promise<number> {
    try {
      await mkdir(dirname(this.#file), { recursive: true });
      await writeFile(`${this.#file}.new`, `${number}\n`);
      await rename(`${this.#file}.new`, this.#file);
    } catch {
      // A disk that takes no writes can still be read from. The next period may get the same number, which is no harm:
      // its boot differs, and the coordinator then takes it for the newer one.
    }
    return number;
  }

  async #read(): Promise<number | undefined> {
    try {
      const count = Number.parseInt(await readFile(this.#file, "utf8"), 10);
      return Number.isSafeInteger(count) ? count : undefined;
    } catch {
      // Not there, or not readable: either way the coordinator's count has to do.
      return undefined;
    }
  }
}
