import { type CojsonInternalTypes, cojsonInternals, type RawCoID } from "cojson";
import { readContent } from "./content-stream.ts";
import { DamagedHistoryError } from "./history.ts";
import type { Journal } from "./journal.ts";
import type { CoValueRow } from "./row.ts";
import { DamagedRowError, type RowStore } from "./row-store.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;
type ContentCallback = (content: NewContentMessage) => void;

/** A value is read again after a repair, or when it changed under the load; more often only if the disk is ill. */
const ATTEMPTS = 3;

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
  async load(id: RawCoID, push: ContentCallback): Promise<boolean> {
    await this.#deps.settled(id);
    for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
      let row: CoValueRow | undefined;
      try {
        row = await this.#deps.rowStore.get(id);
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
    let announced = false;
    for await (const message of readContent(journal, row, pointers)) {
      if (!announced) {
        announced = true;
        found(row);
        inMemory.add(row.id);
      }
      await this.#pushDependencies(message, push);
      push(message);
    }
    loaded(row);
  }

  async #pushDependencies(message: NewContentMessage, push: ContentCallback): Promise<void> {
    const { header } = message;
    if (header === undefined) return;
    const missing: Promise<boolean>[] = [];
    for (const id of cojsonInternals.getDependedOnCoValues(header, message)) {
      if (!this.#deps.inMemory.has(id)) missing.push(this.load(id, push));
    }
    await Promise.all(missing);
  }
}
