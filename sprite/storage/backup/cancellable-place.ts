import { SpriteSyncError } from "../../../shared/errors.ts";
import type { BackupPlace, PlaceObject } from "./place.ts";

/**
 * A place into which nothing is put any more once `signal` has aborted. A backup exists only with its record, which comes
 * last: so what is given up leaves no backup, only segments that the next one uses.
 */
export class CancellablePlace implements BackupPlace {
  readonly name: string;
  readonly #place: BackupPlace;
  readonly #signal: AbortSignal;

  constructor(place: BackupPlace, signal: AbortSignal) {
    this.name = place.name;
    this.#place = place;
    this.#signal = signal;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    this.#check();
    await this.#place.put(key, bytes);
  }

  async get(key: string): Promise<Buffer | undefined> {
    this.#check();
    return this.#place.get(key);
  }

  async *list(prefix: string): AsyncGenerator<PlaceObject> {
    this.#check();
    yield* this.#place.list(prefix);
  }

  async delete(key: string): Promise<void> {
    this.#check();
    await this.#place.delete(key);
  }

  close(): Promise<void> {
    return this.#place.close();
  }

  #check(): void {
    if (this.#signal.aborted) throw new SpriteSyncError("transient", "The backup was given up.");
  }
}
