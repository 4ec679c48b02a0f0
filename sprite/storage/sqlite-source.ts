import { mkdtempSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { backup, DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { type CojsonInternalTypes, getSqliteStorage, type SQLiteDatabaseDriver } from "cojson";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { ImportItem, ImportSource } from "./import-source.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;
type SqliteStorage = ReturnType<typeof getSqliteStorage>;

const IDS_PER_READ = 256;

/**
 * A database of cojson's SQLite storage, as `jazz-run sync` keeps it, also one in use. It is opened read-only; one of an
 * older schema is copied, and the copy migrated.
 * @throws SpriteSyncError when it is no such database.
 */
export async function openSqliteSource(file: string): Promise<ImportSource> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new SpriteSyncError("config-invalid", `${file} is not a file.`);
  }
  const driver = new SqliteDriver(file, true);
  try {
    if (!isCojsonDatabase(driver)) throw new Error("it has no tables of cojson");
    const opened = await openStorage(driver);
    return sourceOf(opened.storage, opened.close);
  } catch (error) {
    driver.closeDb();
    const reason = error instanceof Error ? error.message : String(error);
    throw new SpriteSyncError("config-invalid", `${file} is not a database of cojson: ${reason}.`, {
      cause: error,
    });
  }
}

function isCojsonDatabase(driver: SqliteDriver): boolean {
  const table = "SELECT name FROM sqlite_master WHERE type = 'table' AND name = 'coValues'";
  return driver.get(table, []) !== undefined;
}

async function openStorage(driver: SqliteDriver): Promise<{ storage: SqliteStorage; close: () => void }> {
  try {
    return { storage: getSqliteStorage(driver), close: () => driver.closeDb() };
  } catch {
    // It wanted to migrate the tables, which a read-only database refuses.
    return await openCopy(driver);
  }
}

async function openCopy(driver: SqliteDriver): Promise<{ storage: SqliteStorage; close: () => void }> {
  const directory = mkdtempSync(join(tmpdir(), "sprite-import-"));
  let copy: SqliteDriver | undefined;
  const close = () => {
    copy?.closeDb();
    rmSync(directory, { recursive: true, force: true });
    driver.closeDb();
  };
  try {
    const path = join(directory, "copy.sqlite");
    await backup(driver.db, path);
    copy = new SqliteDriver(path, false);
    return { storage: getSqliteStorage(copy), close };
  } catch (error) {
    close();
    throw error;
  }
}

function sourceOf(storage: SqliteStorage, close: () => void): ImportSource {
  let covalues = 0;
  storage.getCoValueCount((count) => {
    covalues = count;
  });
  return {
    covalues,
    items: () => itemsOf(storage),
    problems: () => [],
    close: async () => close(),
  };
}

async function* itemsOf(storage: SqliteStorage): AsyncGenerator<ImportItem> {
  const done = new Set<string>();
  for (let offset = 0; ; ) {
    let ids: { id: string }[] = [];
    // cojson takes the offset for a row id: after gaps it gives rows twice, but leaves none out.
    storage.getCoValueIDs(IDS_PER_READ, offset, (batch) => {
      ids = batch;
    });
    if (ids.length === 0) return;
    offset += ids.length;
    for (const { id } of ids) {
      if (done.has(id)) continue;
      for await (const item of covalueItems(storage, id)) {
        done.add(item.where);
        yield item;
      }
      // It would hold those of the whole database.
      for (const known of storage.knownStates.knownStates.keys()) storage.knownStates.deleteKnownState(known);
    }
  }
}

/** A CoValue, and those of its dependencies that cojson has not loaded before. */
async function* covalueItems(storage: SqliteStorage, id: string): AsyncGenerator<ImportItem> {
  const messages: NewContentMessage[] = [];
  let found = false;
  await storage.load(
    id,
    (message) => messages.push(message),
    (result) => {
      found = result;
    },
  );
  if (!found) yield { where: id, value: undefined };
  for (;;) {
    for (const message of messages.splice(0)) yield { where: message.id, value: message };
    // In a server the SyncManager pulls the pieces of large values.
    const next = storage.streamingQueue.pull();
    if (next === undefined) break;
    next();
  }
}

/** `node:sqlite` in the shape cojson wants, with each statement prepared once. */
class SqliteDriver implements SQLiteDatabaseDriver {
  readonly db: DatabaseSync;
  readonly #statements = new Map<string, StatementSync>();

  constructor(path: string, readOnly: boolean) {
    this.db = new DatabaseSync(path, { readOnly });
  }

  run(sql: string, params: unknown[]): void {
    this.#prepare(sql).run(...(params as SQLInputValue[]));
  }

  get<T>(sql: string, params: unknown[]): T | undefined {
    return this.#prepare(sql).get(...(params as SQLInputValue[])) as T | undefined;
  }

  query<T>(sql: string, params: unknown[]): T[] {
    return this.#prepare(sql).all(...(params as SQLInputValue[])) as T[];
  }

  /** Nothing is written, so there is nothing to keep together. */
  transaction(callback: () => unknown): void {
    callback();
  }

  closeDb(): void {
    if (this.db.isOpen) this.db.close();
  }

  #prepare(sql: string): StatementSync {
    const known = this.#statements.get(sql);
    if (known !== undefined) return known;
    const statement = this.db.prepare(sql);
    this.#statements.set(sql, statement);
    return statement;
  }
}
