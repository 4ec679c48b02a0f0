import type { CapStore } from "./creation-caps.ts";

/** Counters in the SQLite of a Durable Object: written before its answer leaves (output gate). */
export function sqlCaps(sql: SqlStorage): CapStore {
  sql.exec(
    `CREATE TABLE IF NOT EXISTS creations (counter TEXT PRIMARY KEY, made INTEGER NOT NULL, ends REAL NOT NULL) WITHOUT ROWID`,
  );
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
    isFounded: (home) => made(`home ${home}`) > 0,
    setFounded: (home, ends) => add(`home ${home}`, ends),
    forgetBefore: (now) => void sql.exec(`DELETE FROM creations WHERE ends <= ?`, now),
  };
}
