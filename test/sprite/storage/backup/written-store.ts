import { onTestFinished } from "vitest";
import type { Engine } from "../../../../sprite/storage/engine.ts";
import { openEngine } from "../../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../../sprite/storage/sprite-storage.ts";
import { type Content, contentOf, coSessionOf, idOf, type KnownState, storeDone } from "../content.ts";
import { newDirectory } from "../open-for-test.ts";

export const DELETE = "co_zdeleter_session_d1$";

/** An open store, and what tests do to it. */
export class WrittenStore {
  readonly directory: string;
  #engine: Engine;
  #storage: SpriteStorage;
  readonly #stored = new Map<string, number>();

  private constructor(directory: string, engine: Engine) {
    this.directory = directory;
    this.#engine = engine;
    this.#storage = new SpriteStorage(engine);
  }

  static async open(directory = newDirectory()): Promise<WrittenStore> {
    const store = new WrittenStore(directory, await openEngine(directory, { durability: "flush" }));
    onTestFinished(() => store.close().catch(() => undefined));
    return store;
  }

  get engine(): Engine {
    return this.#engine;
  }

  /** Adds transactions to a coSession of a CoValue, which is made when it is new. */
  async add(value: number, count = 1, { coSession = 0, bytes = 40 } = {}): Promise<void> {
    const key = `${value}/${coSession}`;
    const after = this.#stored.get(key) ?? 0;
    const end = after + count;
    this.#stored.set(key, end);
    const piece = { id: idOf(value), coSession, header: true, bytes };
    // The client still has all of what was erased here.
    const correct = ({ sessions }: KnownState) => {
      const known = sessions[coSessionOf(coSession)] ?? 0;
      return [contentOf({ ...piece, after: known, count: end - known })];
    };
    await storeDone(this.#storage, contentOf({ ...piece, after, count }), correct);
  }

  /** Adds one transaction to each of many CoValues. */
  async addAll(values: number, bytes?: number): Promise<void> {
    const adding = Array.from({ length: values }, (_, value) =>
      this.add(value, 1, bytes === undefined ? {} : { bytes }),
    );
    await Promise.all(adding);
  }

  /** Deletes a CoValue validly; it is erased later. */
  async delete(value: number): Promise<void> {
    const content = contentOf({ id: idOf(value), coSession: 9, after: 0, count: 1, header: false });
    const [deletion] = Object.values(content.new);
    this.#storage.markDeleteAsValid(idOf(value));
    await storeDone(this.#storage, { ...content, new: { [DELETE]: deletion } } as Content);
  }

  erase(): Promise<void> {
    return this.#storage.eraseAllDeletedCoValues();
  }

  /** Erases without clearing the blocks. */
  async bury(): Promise<void> {
    for (const id of await this.#engine.eraser.pending()) await this.#engine.eraser.erase(id);
  }

  async unsync(value: number, peerId: string): Promise<void> {
    await this.#engine.syncTracking.track([
      {
        id: idOf(value),
        peerId: peerId as Parameters<SpriteStorage["renewStorageReconciliationLock"]>[1],
        synced: false,
      },
    ]);
  }

  async reopen(): Promise<void> {
    await this.close();
    this.#engine = await openEngine(this.directory, { durability: "flush" });
    this.#storage = new SpriteStorage(this.#engine);
  }

  close(): Promise<void> {
    return this.#storage.close();
  }
}

/** How a CoValue's content can be recognised in a place's or a store's files. */
export function markOf(coSession: number): string {
  return coSessionOf(coSession);
}
