import { type Digest, forgetRecord, joinRecords, recordOf } from "../../../shared/digest.ts";
import type { CoValueId } from "../../../shared/ids.ts";
import { emptyKnownState, type KnownState, mergeKnownState } from "../../../shared/known-state.ts";

/** What survives a Sprite's process. */
export interface Disk {
  readonly values: Map<CoValueId, KnownState>;
  /** Names all that is on it: no two contents have the same. */
  mark: string;
  /** How many awake periods it has counted; `undefined` on a new disk. */
  periods: number | undefined;
}

export interface StoresDeps {
  readonly disk: Disk;
  readonly now: () => number;
  readonly later: (ms: number, work: () => void) => void;
  /** How long the disk takes now. */
  readonly diskMs: () => number;
  readonly newMark: () => string;
  /** Something is on disk from now on. */
  readonly onDurable: (id: CoValueId, state: KnownState) => void;
}

/** What one process has begun to store and what of it is on disk: `sprite/store-ledger.ts` and the storage below it. */
export class Stores {
  readonly #deps: StoresDeps;
  readonly #open = new Map<number, CoValueId>();
  readonly #touched = new Set<CoValueId>();
  readonly #markBefore: string;
  #begun = 0;
  #lastDone = 0;
  readonly #listeners: ((id: CoValueId) => void)[] = [];

  constructor(deps: StoresDeps) {
    this.#deps = deps;
    this.#markBefore = deps.disk.mark;
  }

  get pending(): number {
    return this.#open.size;
  }

  /** The number of the store that began last. */
  get last(): number {
    return this.#begun;
  }

  get(id: CoValueId): KnownState | undefined {
    this.#touched.add(id);
    return this.#deps.disk.values.get(id);
  }

  begin(id: CoValueId, reach: KnownState): void {
    const number = ++this.#begun;
    this.#open.set(number, id);
    this.#touched.add(id);
    const { now, later, diskMs, disk, newMark, onDurable } = this.#deps;
    // Group commit: stores end in the order they began.
    this.#lastDone = Math.max(this.#lastDone, now() + diskMs());
    later(this.#lastDone - now(), () => {
      const state = { header: true, sessions: { ...reach.sessions } };
      disk.values.set(id, mergeKnownState(disk.values.get(id) ?? emptyKnownState(), state));
      disk.mark = newMark();
      onDurable(id, state);
      this.#open.delete(number);
      for (const listener of this.#listeners) listener(id);
    });
  }

  /** What `sprite/farewell.ts` says when nothing is being stored. `complete`: all that was touched is kept account of. */
  digest(complete: boolean): Digest {
    const { values, mark } = this.#deps.disk;
    const records = [...this.#touched].map((id) => {
      const state = values.get(id);
      return state?.header ? recordOf(id, state) : forgetRecord(id);
    });
    return { was: complete ? this.#markBefore : undefined, is: mark, values: joinRecords(records) };
  }

  /** Whether nothing that began up to `number` is open, of one value or of all. */
  settled(number: number, id?: CoValueId): boolean {
    return ![...this.#open].some(([store, of]) => store <= number && (id === undefined || of === id));
  }

  onSettled(listener: (id: CoValueId) => void): void {
    this.#listeners.push(listener);
  }
}
