import { type CojsonInternalTypes, cojsonInternals, type RawCoID } from "cojson";
import { readContent } from "./content-stream.ts";
import { DamagedHistoryError } from "./history.ts";
import type { Journal } from "./journal.ts";
import type { CoValueRow } from "./row.ts";
import { DamagedRowError, type RowStore } from "./row-store.ts";

const { accountOrAgentIDfromSessionID, isAccountID } = cojsonInternals;

type NewContentMessage = CojsonInternalTypes.NewContentMessage;
type ContentCallback = (content: NewContentMessage) => void;

/** A value is read again after a repair, or when it changed under the load; more often only if the disk is ill. */
const ATTEMPTS = 3;

/** Authors whose rows are read together with a CoValue's blocks. */
const EARLY_AUTHORS = 32;

type EarlyRows = ReadonlyMap<RawCoID, Promise<CoValueRow | undefined>>;

/** What the loader needs of the storage that it loads for. */
export interface LoaderDeps {
  readonly journal: Journal;
  readonly rowStore: RowStore;
  /** Resolves when what was stored before is there to be read. */
  settled(id: RawCoID): Promise<void> | undefined;
  /** CoValues that the LocalNode has: their content is not pushed again as a dependency. */
  readonly inMemory: Set<RawCoID>;
  /** The CoValue was found, in this state, and its content follows. */
  found(row: CoValueRow): void;
  /** The content has been pushed. */
  loaded(row: CoValueRow): void;
  /**
   * Something that `row` names is not readable, or the row itself when there is none.
   * @returns whether the CoValue is different now, so that loading it again makes sense
   */
  damaged(id: RawCoID, row: CoValueRow | undefined, error: Error): Promise<boolean>;
}

/** Loads CoValues, each after the ones it depends on, like cojson/src/storage/storageAsync.ts. */
export class Loader {
  readonly #deps: LoaderDeps;

  constructor(deps: LoaderDeps) {
    this.#deps = deps;
  }

  /** @returns whether the CoValue is stored. Never rejects because of the disk: what cannot be read is not found. */
  load(id: RawCoID, push: ContentCallback): Promise<boolean> {
    return this.#load(id, push, undefined);
  }

  async #load(id: RawCoID, push: ContentCallback, early: EarlyRows | undefined): Promise<boolean> {
    await this.#deps.settled(id);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      let row: CoValueRow | undefined;
      try {
        row = await ((attempt === 0 && early?.get(id)) || this.#deps.rowStore.get(id));
        if (row === undefined) return false;
        await this.#push(row, push);
        return true;
      } catch (error) {
        if (!(error instanceof DamagedHistoryError || error instanceof DamagedRowError)) throw error;
        if (!(await this.#deps.damaged(id, row, error))) return false;
      }
    }
    return false;
  }

  async #push(row: CoValueRow, push: ContentCallback): Promise<void> {
    const { journal, rowStore, inMemory, found, loaded } = this.#deps;
    const pointers = await rowStore.pointers(row);
    const early = this.#authorRows(row);
    let announced = false;
    for await (const message of readContent(journal, row, pointers)) {
      if (!announced) {
        announced = true;
        found(row);
        inMemory.add(row.id);
      }
      await this.#pushDependencies(message, push, early);
      push(message);
    }
    loaded(row);
  }

  /** Asked for here they travel with the blocks; the authors are most of what a CoValue depends on. */
  #authorRows({ id, coSessions }: CoValueRow): EarlyRows {
    const { rowStore, inMemory, settled } = this.#deps;
    const rows = new Map<RawCoID, Promise<CoValueRow | undefined>>();
    for (const coSession of coSessions.slice(0, EARLY_AUTHORS)) {
      const author = accountOrAgentIDfromSessionID(coSession.id);
      if (!isAccountID(author) || author === id || rows.has(author) || inMemory.has(author)) continue;
      // What is about to be written would be missed.
      if (settled(author) !== undefined) continue;
      const row = Promise.resolve(rowStore.get(author));
      // A damaged row is seen, and repaired, when its CoValue is loaded.
      row.catch(() => undefined);
      rows.set(author, row);
    }
    return rows;
  }

  async #pushDependencies(
    message: NewContentMessage,
    push: ContentCallback,
    early: EarlyRows,
  ): Promise<void> {
    const { header } = message;
    if (header === undefined) return;
    const missing: Promise<boolean>[] = [];
    for (const id of cojsonInternals.getDependedOnCoValues(header, message)) {
      // What was stored since its row was read is in memory.
      if (!this.#deps.inMemory.has(id)) missing.push(this.#load(id, push, early));
    }
    await Promise.all(missing);
  }
}
