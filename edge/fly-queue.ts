import { DurableObject } from "cloudflare:workers";
import type { Env } from "./env.ts";
import { createPacer, type Pacer, type PacerStore, type Turn, type TurnRequest } from "./fleet/pacer.ts";

/**
 * The queue in front of Fly's API: one object for the whole deployment, because one token's rate limits count for all that
 * it creates (facts/fly-machines §1.10). It hands out turns, in the order in which they are asked for, and whoever has one
 * waits and calls by itself: so this object sets no timer, makes no call, and sleeps between two questions.
 */
export class FlyQueue extends DurableObject<Env> implements Pacer {
  readonly #pacer: ReturnType<typeof createPacer>;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#pacer = createPacer(() => Date.now(), sqlStore(ctx.storage.sql));
  }

  async next(request: TurnRequest): Promise<Turn> {
    return this.#pacer.next(request);
  }
}

/** What the pacer remembers, in SQLite: written before its answer leaves (facts/cloudflare §2.3, "output gate"). */
function sqlStore(sql: SqlStorage): PacerStore {
  sql.exec(`CREATE TABLE IF NOT EXISTS paid (key TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID`);
  sql.exec(
    `CREATE TABLE IF NOT EXISTS turns (key TEXT NOT NULL, holder TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (key, holder)) WITHOUT ROWID`,
  );
  const one = (query: string, ...values: string[]) =>
    sql.exec<{ at: number }>(query, ...values).toArray()[0]?.at;
  return {
    paidAt: (key) => one(`SELECT at FROM paid WHERE key = ?`, key),
    setPaidAt: (key, at) => void sql.exec(`INSERT OR REPLACE INTO paid VALUES (?, ?)`, key, at),
    due: (key, holder) => one(`SELECT at FROM turns WHERE key = ? AND holder = ?`, key, holder),
    setDue: (key, holder, at) =>
      void sql.exec(`INSERT OR REPLACE INTO turns VALUES (?, ?, ?)`, key, holder, at),
    forgetBefore(at) {
      sql.exec(`DELETE FROM paid WHERE at < ?`, at);
      sql.exec(`DELETE FROM turns WHERE at < ?`, at);
    },
  };
}
