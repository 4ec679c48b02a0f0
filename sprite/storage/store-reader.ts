import { type CojsonInternalTypes, cojsonInternals, type RawCoID } from "cojson";
import { readContent } from "./content-stream.ts";
import type { Engine } from "./engine.ts";
import { prefixes } from "./format.ts";
import { DamagedHistoryError, tryReadBlocks } from "./history.ts";
import { RowBuilder } from "./row-builder.ts";
import { DamagedRowError } from "./row-store.ts";
import { openView, type StoreView } from "./store-view.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;

const IDS_PER_READ = 256;
const BLOCKS_PER_READ = 256;

/**
 * Reads a whole store as it is at one moment, also one that a Sprite is writing to, and changes nothing. In memory are one
 * piece of one CoValue and the ids that are done.
 */
export class StoreReader {
  readonly #view: StoreView;
  readonly #engine: Engine;
  readonly #done = new Set<string>();
  readonly #damaged = new Set<RawCoID>();

  private constructor(view: StoreView) {
    this.#view = view;
    this.#engine = view.engine;
  }

  /** @throws SpriteSyncError when there is no store, or it cannot be opened. */
  static async open(directory: string): Promise<StoreReader> {
    return new StoreReader(await openView(directory));
  }

  /** CoValues ever created here. */
  get count(): number {
    return this.#engine.committer.count;
  }

  /** CoValues read so far. */
  get covalues(): number {
    return this.#done.size;
  }

  /** CoValues that could not be read whole. */
  get damaged(): RawCoID[] {
    return [...this.#damaged];
  }

  /** The content of all CoValues in order of creation, but each after the ones it depends on. */
  async *messages(): AsyncGenerator<NewContentMessage> {
    const end = this.count;
    for (let offset = 0; offset < end; offset += IDS_PER_READ) {
      for (const id of await this.#engine.ids(IDS_PER_READ, offset)) yield* this.#covalue(id);
    }
    // What the enumeration lost to damage still has a row.
    for await (const id of this.#rowIds()) yield* this.#covalue(id);
  }

  async close(): Promise<void> {
    await this.#view.close();
  }

  async *#rowIds(): AsyncGenerator<RawCoID> {
    for await (const { key } of this.#engine.journal.rows(prefixes.covalue)) {
      yield key.slice(prefixes.covalue.length) as RawCoID;
    }
  }

  async *#covalue(id: RawCoID): AsyncGenerator<NewContentMessage> {
    if (this.#done.has(id)) return;
    this.#done.add(id);
    try {
      yield* this.#content(id);
    } catch (error) {
      if (!isDamage(error)) throw error;
      this.#damaged.add(id);
      yield* this.#soundPart(id);
    }
  }

  async *#content(id: RawCoID): AsyncGenerator<NewContentMessage> {
    const { journal, rowStore } = this.#engine;
    const row = await rowStore.get(id);
    if (row === undefined) {
      // Only named as a dependency.
      this.#done.delete(id);
      return;
    }
    for await (const message of readContent(journal, row, await rowStore.pointers(row))) {
      if (message.header !== undefined) {
        for (const dependency of cojsonInternals.getDependedOnCoValues(message.header, message)) {
          yield* this.#covalue(dependency);
        }
      }
      yield message;
    }
  }

  /** What a repair would leave of it. */
  async *#soundPart(id: RawCoID): AsyncGenerator<NewContentMessage> {
    const { journal, rowStore } = this.#engine;
    try {
      const row = await rowStore.get(id);
      if (row === undefined) return;
      const builder = new RowBuilder(id);
      const pointers = await rowStore.pointers(row);
      for (let start = 0; start < pointers.length; start += BLOCKS_PER_READ) {
        const some = pointers.slice(start, start + BLOCKS_PER_READ);
        for (const [index, block] of (await tryReadBlocks(journal, id, some)).entries()) {
          const place = some[index];
          if (place !== undefined && !(block instanceof DamagedHistoryError)) builder.add(place, block);
        }
      }
      const built = builder.finish();
      if (built === undefined) return;
      yield* readContent(journal, { ...built.row, sealedPointerPages: 0, tail: [] }, built.pointers);
    } catch (error) {
      // Reported as damaged already; there is nothing to save of it.
      if (!isDamage(error)) throw error;
    }
  }
}

function isDamage(error: unknown): boolean {
  return error instanceof DamagedHistoryError || error instanceof DamagedRowError;
}
