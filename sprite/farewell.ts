import { type Digest, digestMessage } from "../shared/digest.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { withTimeout } from "../shared/timeout.ts";
import { type LastWordDeps, sayLastWord } from "./last-word.ts";
import type { Touched } from "./touched.ts";

/** A store that can name its whole content; see `SpriteStorage.mark`. */
export interface MarkedStore {
  readonly length: number;
  mark(length?: number): Promise<string>;
}

/** Whether a storage can; others leave no digest. */
export function isMarked<T extends object>(storage: T): storage is T & MarkedStore {
  return "mark" in storage && "length" in storage;
}

/**
 * Makes the digest of one awake period.
 * @param store as the period began: create this before anything is stored.
 */
export class Farewell {
  readonly #store: MarkedStore;
  readonly #touched: Touched;
  readonly #edge: LastWordDeps | undefined;
  readonly #log: Log;
  readonly #lengthBefore: number;

  /** @param edge where it is told when there is no session left. */
  constructor(store: MarkedStore, touched: Touched, edge: LastWordDeps | undefined, log: Log) {
    this.#store = store;
    this.#touched = touched;
    this.#edge = edge;
    this.#log = log;
    this.#lengthBefore = store.length;
  }

  /**
   * Tells the coordinator what it need not wake this Sprite for. Never rejects.
   * @param send to one of the sessions; without any, the edge is told itself.
   */
  async say(send: ((text: string) => void) | undefined): Promise<void> {
    if (!send && !this.#edge) return;
    try {
      const text = digestMessage(await withTimeout(this.digest(), LIMITS.digestMs));
      if (send) send(text);
      else if (this.#edge) await sayLastWord(text, this.#edge);
    } catch (error) {
      this.#log.warn({ error: String(error) }, "no digest; clients that come back will wake this Sprite");
    }
  }

  /**
   * What is on the disk now. Call it when nothing is being stored or loaded, and let nothing begin before it resolves.
   * Both marks are taken now: what was repaired during the period changes the first one, too, so that no older digest holds.
   */
  async digest(): Promise<Digest> {
    const values = this.#touched.records();
    const before = this.#touched.complete ? this.#store.mark(this.#lengthBefore) : undefined;
    const [was, is] = await Promise.all([before, this.#store.mark()]);
    return { was, is, values };
  }
}
