import { DatabaseSync, type SQLInputValue, type StatementSync } from "node:sqlite";
import { getSqliteStorage, type SQLiteDatabaseDriver, type StorageAPI } from "cojson";

export interface SqliteOptions {
  /** Path of the database file; created when missing. */
  sqlite: string;
  /**
   * `FULL` (SQLite's and Jazz's default): a commit is fsynced before it returns.
   * `NORMAL`: in WAL mode a power loss may take the last commits, a crash of the process takes none.
   */
  synchronous?: "NORMAL" | "FULL";
}

export interface SqliteStorage {
  readonly storage: StorageAPI;
  /** Closes the database file. cojson's `storage.close()` does not. */
  close(): void;
}

/** cojson's own SQLite storage on `node:sqlite`, in WAL mode as Jazz's sync server runs it. */
export function openSqliteStorage(options: SqliteOptions): SqliteStorage {
  const driver = new NodeSqliteDriver(options.sqlite);
  driver.run("PRAGMA journal_mode = WAL", []);
  driver.run(`PRAGMA synchronous = ${options.synchronous ?? "FULL"}`, []);
  return { storage: getSqliteStorage(driver), close: () => driver.closeDb() };
}

/**
 * `node:sqlite` in the shape cojson wants. Statements are prepared once: cojson uses about thirty different
 * texts, and preparing each call anew costs more than most of them take to run.
 */
class NodeSqliteDriver implements SQLiteDatabaseDriver {
  private readonly db: DatabaseSync;
  private readonly statements = new Map<string, StatementSync>();

  constructor(path: string) {
    this.db = new DatabaseSync(path);
  }

  run(sql: string, params: unknown[]): void {
    this.prepare(sql).run(...toInputValues(params));
  }

  get<T>(sql: string, params: unknown[]): T | undefined {
    return this.prepare(sql).get(...toInputValues(params)) as T | undefined;
  }

  query<T>(sql: string, params: unknown[]): T[] {
    return this.prepare(sql).all(...toInputValues(params)) as T[];
  }

  transaction(callback: () => unknown): void {
    this.db.exec("BEGIN IMMEDIATE");
    try {
      callback();
      this.db.exec("COMMIT");
    } catch (error) {
      this.db.exec("ROLLBACK");
      throw error;
    }
  }

  closeDb(): void {
    if (this.db.isOpen) this.db.close();
  }

  private prepare(sql: string): StatementSync {
    let statement = this.statements.get(sql);
    if (!statement) {
      statement = this.db.prepare(sql);
      this.statements.set(sql, statement);
    }
    return statement;
  }
}

/** `node:sqlite` refuses `undefined`, which cojson passes for columns that may be empty. */
function toInputValues(params: unknown[]): SQLInputValue[] {
  return params.map((param) => (param === undefined ? null : (param as SQLInputValue)));
}
