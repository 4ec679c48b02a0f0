/**
 * Who waits for ids that have no home, in the memory of one directory shard.
 *
 * 1. Leaving costs what the one who leaves has named, whatever the others have.
 * 2. `limit` bounds the entries of all together. One watcher holds at most as many as are free then, so that n watchers
 *    that want all share it and leave room for one more.
 * 3. A watcher that finds no room although another holds more than twice as much takes that one's place: it is forgotten
 *    whole, and has to tell again what it waits for.
 */
export class Watchers {
  readonly #limit: number;
  readonly #onForgotten: (watcher: string) => void;
  readonly #byId = new Map<string, Set<string>>();
  readonly #byWatcher = new Map<string, Set<string>>();
  #entries = 0;

  /**
   * @param limit entries, each an id and a watcher of it
   * @param onForgotten told of each watcher that lost its place (invariant 3)
   */
  constructor(limit: number, onForgotten: (watcher: string) => void) {
    this.#limit = limit;
    this.#onForgotten = onForgotten;
  }

  get entries(): number {
    return this.#entries;
  }

  /** @returns how many of `ids` are watched now; the rest found no room. */
  add(watcher: string, ids: readonly string[]): number {
    for (const [index, id] of ids.entries()) {
      const own = this.#byWatcher.get(watcher);
      if (own?.has(id)) continue;
      const wanted = (own?.size ?? 0) + 1;
      if (!this.#fits(wanted) && !this.#makeRoom(watcher, wanted)) return index;
      this.#enter(watcher, id);
    }
    return ids.length;
  }

  leave(watcher: string): void {
    const ids = this.#byWatcher.get(watcher);
    if (!ids) return;
    this.#byWatcher.delete(watcher);
    for (const id of ids) {
      const watchers = this.#byId.get(id);
      watchers?.delete(watcher);
      if (watchers?.size === 0) this.#byId.delete(id);
    }
    this.#entries -= ids.size;
  }

  /** An id has got a home. @returns those that waited for it, who wait no more. */
  take(id: string): Iterable<string> {
    const watchers = this.#byId.get(id);
    if (!watchers) return [];
    this.#byId.delete(id);
    for (const watcher of watchers) {
      const ids = this.#byWatcher.get(watcher);
      ids?.delete(id);
      if (ids?.size === 0) this.#byWatcher.delete(watcher);
    }
    this.#entries -= watchers.size;
    return watchers;
  }

  #fits(own: number): boolean {
    return own <= this.#limit - this.#entries;
  }

  #makeRoom(watcher: string, wanted: number): boolean {
    let most: readonly [string, number] = [watcher, wanted];
    for (const [other, { size }] of this.#byWatcher) if (size > most[1]) most = [other, size];
    const [largest, size] = most;
    if (size <= 2 * wanted) return false;
    this.leave(largest);
    this.#onForgotten(largest);
    return this.#fits(wanted);
  }

  #enter(watcher: string, id: string): void {
    const ids = this.#byWatcher.get(watcher);
    if (ids) ids.add(id);
    else this.#byWatcher.set(watcher, new Set([id]));
    const watchers = this.#byId.get(id);
    if (watchers) watchers.add(watcher);
    else this.#byId.set(id, new Set([watcher]));
    this.#entries++;
  }
}
