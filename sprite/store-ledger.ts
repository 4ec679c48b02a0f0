import type { StorageAPI } from "cojson";
import { isBehind, type KnownState } from "../shared/known-state.ts";

/** Number of a store in the order they began; a later one is larger. */
export type StoreNumber = number;

/**
 * Which stores have begun and which are on disk.
 *
 * 1. A store settles when the storage calls `done`, or when a later store of the same CoValue completed and the durable
 *    state covers what it brought (the storage asks for a correction and writes more than one store had).
 * 2. A store that fails never settles (cojson's `StorageAPI.store` calls nothing then), so nothing waits through it.
 */
export class StoreLedger {
  private readonly durable: (id: string) => KnownState;
  private readonly stores = new Map<StoreNumber, { id: string; reaches: KnownState }>();
  private readonly byId = new Map<string, Set<StoreNumber>>();
  private readonly listeners = new Set<(id: string) => void>();
  private begun: StoreNumber = 0;

  /** @param durable what the storage has on disk of a CoValue, as its `getKnownState`. */
  constructor(durable: (id: string) => KnownState) {
    this.durable = durable;
  }

  /** The number of the store that began last. */
  get last(): StoreNumber {
    return this.begun;
  }

  /** How many stores have begun and not settled. */
  get pending(): number {
    return this.stores.size;
  }

  begin(id: string, reaches: KnownState): StoreNumber {
    const number = ++this.begun;
    this.stores.set(number, { id, reaches });
    const numbers = this.byId.get(id) ?? new Set();
    this.byId.set(id, numbers.add(number));
    return number;
  }

  complete(number: StoreNumber): void {
    const store = this.stores.get(number);
    if (!store) return;
    this.settle(store.id, number);
    for (const other of this.byId.get(store.id) ?? []) {
      const reaches = this.stores.get(other)?.reaches;
      if (reaches && !isBehind(this.durable(store.id), reaches)) this.settle(store.id, other);
    }
    for (const listener of this.listeners) listener(store.id);
  }

  /** Whether every store of `id` that began up to `number` has settled. */
  settled(id: string, number: StoreNumber): boolean {
    return !isBelowOrAt(this.byId.get(id)?.values(), number);
  }

  /** Whether every store of any CoValue that began up to `number` has settled. */
  allSettled(number: StoreNumber): boolean {
    return !isBelowOrAt(this.stores.keys(), number);
  }

  /** What is on disk of a CoValue that a store has touched; of others the storage may answer "nothing". */
  durableState(id: string): KnownState {
    return this.durable(id);
  }

  /** Calls `listener` with the CoValue's id after each completed store, until the returned function is called. */
  onSettled(listener: (id: string) => void): () => void {
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  private settle(id: string, number: StoreNumber): void {
    this.stores.delete(number);
    const numbers = this.byId.get(id);
    numbers?.delete(number);
    if (numbers?.size === 0) this.byId.delete(id);
  }
}

/** Both maps keep the order of insertion, which is the order of the numbers, so only the first matters. */
function isBelowOrAt(numbers: Iterator<StoreNumber> | undefined, limit: StoreNumber): boolean {
  const first = numbers?.next();
  return first !== undefined && !first.done && first.value <= limit;
}

/** `storage`, whose stores the returned ledger follows. Give the node this one, not the original. */
export function followStores(storage: StorageAPI): { storage: StorageAPI; ledger: StoreLedger } {
  const ledger = new StoreLedger((id) => storage.getKnownState(id));
  const store: StorageAPI["store"] = (content, correct, done) => {
    const number = ledger.begin(content.id, reachOf(content));
    storage.store(content, correct, () => {
      ledger.complete(number);
      done?.();
    });
  };
  const followed = new Proxy(storage, {
    get(target, name) {
      if (name === "store") return store;
      const member: unknown = Reflect.get(target, name);
      // Bound, because private members of a class do not work through a proxy.
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
  return { storage: followed, ledger };
}

type Content = Parameters<StorageAPI["store"]>[0];

function reachOf(content: Content): KnownState {
  const sessions: Record<string, number> = {};
  for (const [coSession, { after, newTransactions }] of Object.entries(content.new)) {
    sessions[coSession] = after + newTransactions.length;
  }
  return { header: content.header !== undefined, sessions };
}
