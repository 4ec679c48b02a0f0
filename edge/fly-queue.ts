import { DurableObject } from "cloudflare:workers";
import type { GroupId } from "../shared/ids.ts";
import type { Env } from "./env.ts";
import { createPacer, type Pacer, type PacerStore, type Turn, type TurnRequest } from "./fleet/pacer.ts";
import { waitingRoomOf } from "./waiting-room.ts";

/**
 * The queue in front of Fly's API: one object for the whole deployment, because one token's rate limits count for all that
 * it creates. It hands out turns, client by client and for each in the order in which
 * they are asked for, and whoever has one waits and calls by itself: so this object sets no timer and sleeps between two questions.
 */
export class FlyQueue extends DurableObject<Env> implements Pacer {
  readonly #pacer: ReturnType<typeof createPacer>;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#pacer = createPacer(() => Date.now(), sqlStore(ctx.storage.sql));
  }

  async next(request: TurnRequest): Promise<Turn> {
    const { holder } = request;
    // Whose group it is: counted when it was founded. Of an older one nobody knows, and all those share a client.
    const client = holder === undefined ? undefined : await this.#founderOf(holder);
    return this.#pacer.next({ ...request, client });
  }

  async #founderOf(home: string): Promise<string> {
    try {
      return (await waitingRoomOf(this.env).founderOf(home as GroupId)) ?? "";
    } catch {
      // Turns must go on without it.
      return "";
    }
  }
}

/** What the pacer remembers, in SQLite: written before its answer leaves (facts/cloudflare §2.3, "output gate"). */
function sqlStore(sql: SqlStorage): PacerStore {
  sql.exec(`CREATE TABLE IF NOT EXISTS paid (key TEXT PRIMARY KEY, at REAL NOT NULL) WITHOUT ROWID`);
  sql.exec(
    `CREATE TABLE IF NOT EXISTS turns (key TEXT NOT NULL, holder TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (key, holder)) WITHOUT ROWID`,
  );
  sql.exec(
    `CREATE TABLE IF NOT EXISTS line (key TEXT NOT NULL, holder TEXT NOT NULL, client TEXT NOT NULL, since REAL NOT NULL, expires REAL NOT NULL, PRIMARY KEY (key, holder)) WITHOUT ROWID`,
  );
  sql.exec(
    `CREATE TABLE IF NOT EXISTS served (key TEXT NOT NULL, client TEXT NOT NULL, at REAL NOT NULL, PRIMARY KEY (key, client)) WITHOUT ROWID`,
  );
  const one = (query: string, ...values: string[]) =>
    sql.exec<{ at: number }>(query, ...values).toArray()[0]?.at;
  return {
    paidAt: (key) => one(`SELECT at FROM paid WHERE key = ?`, key),
    setPaidAt: (key, at) => void sql.exec(`INSERT OR REPLACE INTO paid VALUES (?, ?)`, key, at),
    due: (key, holder) => one(`SELECT at FROM turns WHERE key = ? AND holder = ?`, key, holder),
    setDue: (key, holder, at) =>
      void sql.exec(`INSERT OR REPLACE INTO turns VALUES (?, ?, ?)`, key, holder, at),
    line: (key) =>
      sql
        .exec<Record<"holder" | "client", string> & Record<"since" | "expires", number>>(
          `SELECT holder, client, since, expires FROM line WHERE key = ?`,
          key,
        )
        .toArray(),
    setInLine: (key, { holder, client, since, expires }) =>
      void sql.exec(
        `INSERT OR REPLACE INTO line VALUES (?, ?, ?, ?, ?)`,
        key,
        holder,
        client,
        since,
        expires,
      ),
    leaveLine: (key, holder) => void sql.exec(`DELETE FROM line WHERE key = ? AND holder = ?`, key, holder),
    servedAt: (key, client) => one(`SELECT at FROM served WHERE key = ? AND client = ?`, key, client),
    setServedAt: (key, client, at) =>
      void sql.exec(`INSERT OR REPLACE INTO served VALUES (?, ?, ?)`, key, client, at),
    forgetBefore(at) {
      sql.exec(`DELETE FROM served WHERE at < ?`, at);
      sql.exec(`DELETE FROM paid WHERE at < ?`, at);
      sql.exec(`DELETE FROM turns WHERE at < ?`, at);
    },
  };
}
