import { DurableObject } from "cloudflare:workers";
import { isCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { ShardApi } from "./directory.ts";
import type { Env } from "./env.ts";
import { Watchers } from "./watchers.ts";

/** SQLite in Durable Objects binds at most 100 parameters to a statement (facts/cloudflare §2.4). */
const PARAMETERS = 100;

/** Tells a session that what it said on this socket is not remembered any more. */
const FORGOT = JSON.stringify({ forgot: true });

/**
 * One shard of the directory: CoValue id → home group, written once and never changed.
 *
 * Sessions whose client asked for an id that has no home hold a hibernatable socket here and are told when it gets one.
 *
 * 1. What they wait for is kept in memory only: no stranger's interest makes a row, and none is left when a session, an
 *    isolate or this object ends.
 * 2. Sockets outlive this object's memory. One that begins and finds sockets has forgotten what was said on them, and says
 *    so; each session tells it again. An id that got its home meanwhile is answered then, so that no news is lost.
 */
export class DirectoryShard extends DurableObject<Env> implements ShardApi {
  readonly #sql: SqlStorage;
  readonly #watchers = new Watchers(LIMITS.wantedPerShard, (watcher) => this.#send(watcher, FORGOT));

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    this.#sql = ctx.storage.sql;
    this.#sql.exec(
      `CREATE TABLE IF NOT EXISTS homes (id TEXT PRIMARY KEY, home TEXT NOT NULL) WITHOUT ROWID`,
    );
    // Rows of an earlier version: interest was durable, and that of a crashed isolate stayed.
    this.#sql.exec(`DROP TABLE IF EXISTS wants`);
    for (const socket of ctx.getWebSockets()) sendOn(socket, FORGOT);
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
    const open: string[] = [];
    for (const id of ids) {
      const home = placed[id];
      if (home) sendOn(socket, placedMessage(id, home));
      else open.push(id);
    }
    this.#watchers.add(watcher, open);
  }

  override webSocketClose(socket: WebSocket): void {
    this.webSocketError(socket);
    try {
      // The hibernation path does not answer a close by itself (facts/cloudflare §1.3).
      socket.close(1000, "");
    } catch {
      // Closed already.
    }
  }

  override webSocketError(socket: WebSocket): void {
    const [watcher] = this.ctx.getTags(socket);
    if (watcher) this.#watchers.leave(watcher);
  }

  #tellWatchers(id: string, home: string): void {
    for (const watcher of this.#watchers.take(id)) this.#send(watcher, placedMessage(id, home));
  }

  #send(watcher: string, message: string): void {
    for (const socket of this.ctx.getWebSockets(watcher)) sendOn(socket, message);
  }
}

function sendOn(socket: WebSocket, message: string): void {
  try {
    socket.send(message);
  } catch {
    // Closing: its close event, which ends its interest, is on the way.
  }
}

function parseWant(data: string | ArrayBuffer): string[] {
  const { want } = JSON.parse(String(data)) as { want?: unknown };
  return Array.isArray(want) ? want.filter(isCoValueId).slice(0, LIMITS.wantedPerSession) : [];
}

function placedMessage(id: string, home: string): string {
  return JSON.stringify({ placed: id, home });
}
