import { DurableObject } from "cloudflare:workers";
import { isCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { ShardApi } from "./directory.ts";
import type { Env } from "./env.ts";

/** SQLite in Durable Objects binds at most 100 parameters to a statement (facts/cloudflare §2.4). */
const PARAMETERS = 100;

/**
 * One shard of the directory: CoValue id → home group, written once and never changed.
 *
 * Sessions whose client asked for an id that has no home hold a hibernatable socket here and are told when it gets one.
 */
export class DirectoryShard extends DurableObject<Env> implements ShardApi {
  readonly #sql: SqlStorage;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#sql.exec(
      `CREATE TABLE IF NOT EXISTS homes (id TEXT PRIMARY KEY, home TEXT NOT NULL) WITHOUT ROWID`,
    );
    this.#sql.exec(
      `CREATE TABLE IF NOT EXISTS wants (id TEXT NOT NULL, watcher TEXT NOT NULL, PRIMARY KEY (id, watcher)) WITHOUT ROWID`,
    );
  }

  /** The homes of those among `ids` that have one. */
  async lookup(ids: string[]): Promise<Record<string, string>> {
    const found: Record<string, string> = {};
    for (let i = 0; i < ids.length; i += PARAMETERS) {
      const part = ids.slice(i, i + PARAMETERS);
      const marks = part.map(() => "?").join(",");
      const select = `SELECT id, home FROM homes WHERE id IN (${marks})`;
      for (const { id, home } of this.#sql.exec<{ id: string; home: string }>(select, ...part))
        found[id] = home;
    }
    return found;
  }

  /** Adds homes by id; an id that has one keeps it. Returns the homes that count now. */
  async register(homes: Record<string, string>): Promise<Record<string, string>> {
    for (const [id, home] of Object.entries(homes)) {
      const { rowsWritten } = this.#sql.exec(
        `INSERT INTO homes VALUES (?, ?) ON CONFLICT DO NOTHING`,
        id,
        home,
      );
      if (rowsWritten > 0) this.#tellWatchers(id, home);
    }
    return this.lookup(Object.keys(homes));
  }

  /** `/want`: a socket on which a session names ids that it waits for. */
  override async fetch(): Promise<Response> {
    const { 0: client, 1: server } = new WebSocketPair();
    this.ctx.acceptWebSocket(server, [crypto.randomUUID()]);
    return new Response(null, { status: 101, webSocket: client });
  }

  override async webSocketMessage(socket: WebSocket, data: string | ArrayBuffer): Promise<void> {
    const ids = parseWant(data);
    const [watcher] = this.ctx.getTags(socket);
    if (!watcher) return;
    const placed = await this.lookup(ids);
    for (const id of ids) {
      const home = placed[id];
      if (home) socket.send(placedMessage(id, home));
      else this.#sql.exec(`INSERT INTO wants VALUES (?, ?) ON CONFLICT DO NOTHING`, id, watcher);
    }
  }

  override webSocketClose(socket: WebSocket): void {
    const [watcher] = this.ctx.getTags(socket);
    if (watcher) this.#sql.exec(`DELETE FROM wants WHERE watcher = ?`, watcher);
    try {
      // The hibernation path does not answer a close by itself (facts/cloudflare §1.3).
      socket.close(1000, "");
    } catch {
      // Closed already.
    }
  }

  #tellWatchers(id: string, home: string): void {
    for (const { watcher } of this.#sql
      .exec<{ watcher: string }>(`SELECT watcher FROM wants WHERE id = ?`, id)
      .toArray()) {
      for (const socket of this.ctx.getWebSockets(watcher)) {
        try {
          socket.send(placedMessage(id, home));
        } catch {
          // Its close event, which removes its rows, is on the way.
        }
      }
    }
    // Also rows of watchers that vanished without a close event, in a crash of the object.
    this.#sql.exec(`DELETE FROM wants WHERE id = ?`, id);
  }
}

function parseWant(data: string | ArrayBuffer): string[] {
  const { want } = JSON.parse(String(data)) as { want?: unknown };
  return Array.isArray(want) ? want.filter(isCoValueId).slice(0, LIMITS.wantedPerSession) : [];
}

function placedMessage(id: string, home: string): string {
  return JSON.stringify({ placed: id, home });
}
