import { randomUUID } from "node:crypto";
import { rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RawCoID } from "cojson";
import type { Engine } from "../../../../sprite/storage/engine.ts";
import { openEngine } from "../../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../../sprite/storage/sprite-storage.ts";

/** What cojson's test drivers hold: `libsql` is database-path.ts. */
interface Driver {
  readonly db: { readonly filename: string };
}

const base = join(tmpdir(), `cojson-suite-${randomUUID()}`);

/** Removes what this file's tests stored. Their stores may still be open: nothing reads them any more. */
export function removeStores(): void {
  rmSync(base, { recursive: true, force: true, maxRetries: 5 });
}

/** Open stores by the path of the database that they stand for: SQLite lets several clients open one file. */
const engines = new Map<string, Promise<Engine>>();
const spares: Engine[] = [];

/** Opens stores ahead, so that `getSqliteStorage` can hand one out synchronously. */
export async function openSpares(count: number): Promise<void> {
  while (spares.length < count) spares.push(await openEngine(join(base, randomUUID())));
}

export async function getSqliteStorageAsync(driver: Driver): Promise<SpriteStorage> {
  const { filename } = driver.db;
  const engine = engines.get(filename) ?? openEngine(join(base, randomUUID()));
  engines.set(filename, engine);
  return reusable(await engine);
}

export function getSqliteStorage(_driver: Driver): SpriteStorage {
  const spare = spares.pop();
  if (spare === undefined)
    throw new Error("There are no spare stores left; raise the number in before-each.ts.");
  return reusable(spare);
}

/**
 * A storage that can be used again after `close`, as cojson's tests do with SQLite to play a restart: closing one
 * writes what is queued and forgets what its LocalNode had in memory, and the next use begins anew on the same files.
 */
function reusable(engine: Engine): SpriteStorage {
  const { observed, dbClient } = observe(engine);
  const begin = () => new SpriteStorage(observed, () => engine.committer.write(async () => {}));
  let current: SpriteStorage | undefined;
  const own: Record<PropertyKey, unknown> = {
    dbClient,
    close: async () => {
      const closing = current;
      current = undefined;
      await closing?.close();
    },
  };
  return new Proxy(own, {
    get(target, property) {
      if (property in target) return target[property];
      if (property === "then") return undefined;
      const now = (): SpriteStorage => {
        current ??= begin();
        return current;
      };
      const value: unknown = Reflect.get(now(), property, now());
      // Looked up again at each call: the tests keep the functions of a storage that they close meanwhile.
      if (typeof value === "function")
        return (...args: unknown[]) => Reflect.get(now(), property).apply(now(), args);
      return value;
    },
  }) as unknown as SpriteStorage;
}

/** The questions and transactions that some tests spy on, under the names that they have in cojson's SQLite client. */
function observe(engine: Engine) {
  const dbClient = {
    getCoValueKnownState: (id: string) => engine.rowStore.get(id),
    getAllCoValuesWaitingForDelete: (): Promise<RawCoID[]> => engine.eraser.pending(),
    transaction: <T>(callback: (tx: unknown) => Promise<T>) => callback(undefined),
  };
  const rowStore = Object.create(engine.rowStore, {
    get: { value: (id: string) => dbClient.getCoValueKnownState(id) },
    pointers: { value: engine.rowStore.pointers.bind(engine.rowStore) },
  });
  const eraser = Object.create(engine.eraser, {
    pending: { value: () => engine.eraser.pending() },
    unfinished: { value: () => engine.eraser.unfinished() },
    sweep: { value: () => engine.eraser.sweep() },
    erase: { value: (id: RawCoID) => dbClient.transaction(() => engine.eraser.erase(id)) },
  });
  const observed = Object.create(engine, {
    rowStore: { value: rowStore },
    eraser: { value: eraser },
  }) as Engine;
  return { observed, dbClient };
}
