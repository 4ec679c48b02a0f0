import type { GroupId } from "../shared/ids.ts";
import type { CapStore } from "./creation-caps.ts";

/** Counters in the SQLite of a Durable Object: written before its answer leaves (output gate). */
export function sqlCaps(sql: SqlStorage): CapStore & { founderOf(home: GroupId): string | undefined } {
  sql.exec(
    `CREATE TABLE IF NOT EXISTS creations (counter TEXT PRIMARY KEY, made INTEGER NOT NULL, ends REAL NOT NULL) WITHOUT ROWID`,
  );
  sql.exec(
    `CREATE TABLE IF NOT EXISTS founders (home TEXT PRIMARY KEY, client TEXT NOT NULL, ends REAL NOT NULL) WITHOUT ROWID`,
  );
  const founderOf = (home: GroupId) =>
    sql.exec<{ client: string }>(`SELECT client FROM founders WHERE home = ?`, home).toArray()[0]?.client;
  const made = (counter: string) =>
    sql.exec<{ made: number }>(`SELECT made FROM creations WHERE counter = ?`, counter).toArray()[0]?.made ??
    0;
  const add = (counter: string, ends: number) =>
    void sql.exec(
      `INSERT INTO creations VALUES (?, 1, ?) ON CONFLICT DO UPDATE SET made = made + 1`,
      counter,
      ends,
    );
  return {
    made,
    add,
    founderOf,
    isFounded: (home) => founderOf(home) !== undefined,
    setFounded: (home, client, ends) =>
      void sql.exec(`INSERT OR REPLACE INTO founders VALUES (?, ?, ?)`, home, client, ends),
    forgetBefore(now) {
      sql.exec(`DELETE FROM creations WHERE ends <= ?`, now);
      sql.exec(`DELETE FROM founders WHERE ends <= ?`, now);
    },
  };
}
