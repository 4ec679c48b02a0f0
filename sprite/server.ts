import { type IncomingMessage, type ServerResponse, STATUS_CODES } from "node:http";
import type { Duplex } from "node:stream";
import { type WebSocket, WebSocketServer } from "ws";
import { ERROR_TABLE, toSpriteSyncError } from "../shared/errors.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { HEALTH_PATHS, NO_SOCKET_HERE, readSyncPath, shownPath } from "../shared/sync-path.ts";
import type { Handlers } from "./listener.ts";
import type { QuotaHealth } from "./quota.ts";
import type { ResidentsPage } from "./residents.ts";

/** What `/health` tells: never which group lives here. */
export interface Health {
  readonly ok: boolean;
  /** What the Sprite is doing; `open` = it serves. */
  readonly status: string;
  /** Whether the last backup was made; absent where none are. A Sprite whose backups fail serves all the same. */
  readonly backup?: string | undefined;
  /** `ok`, `opening`, or `failed`: the disk takes no writes. */
  readonly storage: string;
  /** What is used of the Sprite's quotas; absent below 80 %. */
  readonly quota?: QuotaHealth | undefined;
  /** What a fleet has installed here, by the name that the fleet gave it. */
  readonly setup: string | undefined;
}

/** What a fleet is told that looks for a Sprite which could sleep, or which it may restart. */
export interface Idleness {
  /** How long nothing has happened, milliseconds; 0 while something is under way. */
  readonly idleMs: number;
  /** Stores that are not on disk yet. */
  readonly pending: number;
  /** Whether it sleeps now, or has begun to. */
  readonly asleep: boolean;
}

export interface ServerDeps {
  readonly health: () => Health;
  readonly log: Log;
  /**
   * Decides on an upgrade before anything touches the state.
   * @throws SpriteSyncError whose `httpStatus` is answered.
   * @returns the session that asks, for logs.
   */
  readonly authorize: (request: IncomingMessage) => Promise<string>;
  readonly onSocket: (socket: WebSocket, session: string) => void;
  /**
   * Answers the fleet's question for its idleness; with `sleep` it goes to sleep if it has nothing to do.
   * @throws SpriteSyncError whose `httpStatus` is answered.
   */
  readonly idleness: (request: IncomingMessage, sleep: boolean) => Promise<Idleness>;
  /**
   * Answers an operator's question for what lives here, from number `from` on.
   * @throws SpriteSyncError whose `httpStatus` is answered.
   */
  readonly residents: (request: IncomingMessage, from: number) => Promise<ResidentsPage>;
}

const SLEEP_PATH = "/sleep";
const RESIDENTS_PATH = "/residents";

/** The HTTP side of a Sprite: its health, and the WebSocket endpoint. */
export function spriteHandlers(deps: ServerDeps): Handlers {
  const sockets = new WebSocketServer({
    noServer: true,
    // Bytes; a text of that many characters may have more, and then is over the limit as well.
    maxPayload: LIMITS.frameChars,
    perMessageDeflate: false,
    clientTracking: false,
  });
  return {
    request: (request, response) => void answer(request, response, deps),
    upgrade: (request, socket, head) => void upgrade(sockets, deps, request, socket, head),
  };
}

async function upgrade(
  sockets: WebSocketServer,
  { authorize, onSocket, log }: ServerDeps,
  request: IncomingMessage,
  socket: Duplex,
  head: Buffer,
): Promise<void> {
  try {
    const path = pathOf(request);
    if (!readSyncPath(path)) {
      log.warn({ path: shownPath(path) }, "a client asked for a WebSocket where none is opened; it is /sync");
      reject(socket, 404, NO_SOCKET_HERE);
      return;
    }
    const session = await authorize(request);
    if (socket.destroyed) return;
    sockets.handleUpgrade(request, socket, head, (webSocket) => onSocket(webSocket, session));
  } catch (error) {
    const { code, message } = toSpriteSyncError(error, "overloaded");
    reject(socket, ERROR_TABLE[code].httpStatus, `${code}: ${message}\n`);
  }
}

function pathOf(request: IncomingMessage): string {
  return (request.url ?? "").split("?", 1)[0] ?? "";
}

function reject(socket: Duplex, status: number, body: string): void {
  const head = [
    `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? ""}`,
    "connection: close",
    "content-type: text/plain; charset=utf-8",
    `content-length: ${Buffer.byteLength(body)}`,
  ];
  socket.end(`${head.join("\r\n")}\r\n\r\n${body}`);
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  { health, idleness, residents }: ServerDeps,
): Promise<void> {
  const path = pathOf(request);
  if (HEALTH_PATHS.includes(path)) {
    const { ok, ...told } = health();
    return answerJson(response, ok ? 200 : 503, told);
  }
  if (path !== SLEEP_PATH && path !== RESIDENTS_PATH) {
    response
      .writeHead(404, { "content-type": "text/plain" })
      .end("not here; WebSockets are opened at /sync, and /health tells how the server is\n");
    return;
  }
  try {
    const answered =
      path === SLEEP_PATH
        ? idleness(request, request.method === "POST")
        : residents(request, Number(/[?&]from=(\d{1,15})/.exec(request.url ?? "")?.[1] ?? 0));
    answerJson(response, 200, await answered);
  } catch (error) {
    const { code, message } = toSpriteSyncError(error, "overloaded");
    answerJson(response, ERROR_TABLE[code].httpStatus, { error: code, message });
  }
}

function answerJson(response: ServerResponse, status: number, body: object): void {
  response
    .writeHead(status, { "content-type": "application/json", "cache-control": "no-store" })
    .end(JSON.stringify(body));
}
