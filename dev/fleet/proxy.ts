import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex, Writable } from "node:stream";
import type { Log } from "../../shared/log.ts";
import { Refusal } from "./refusal.ts";

/** Who a request is for, reached. */
export interface Target {
  /** By which {@link FleetProxy.drop} finds its connections. */
  readonly id: string;
  readonly socket: Socket;
  /** Path and query, and the headers, as the program behind the socket gets them. */
  readonly path: string;
  readonly headers: OutgoingHttpHeaders;
}

export interface ProxyDeps {
  /**
   * Finds out who a request is for, wakes it and connects to it.
   * @param visitor is waited for no longer than it stays.
   * @throws Refusal with the answer.
   */
  readonly reach: (request: IncomingMessage, visitor: Writable) => Promise<Target>;
  readonly log: Log;
}

/** The public face of a fleet on this computer: `https://<app>.fly.dev`, or `https://<sprite>.sprites.app`. */
export interface FleetProxy {
  readonly server: Server;
  /** Cuts everything that goes to one target, as when its host takes the network away. */
  drop(id: string): void;
}

/**
 * Sends each request and each WebSocket upgrade to its target.
 * Bytes of an upgraded connection pass through untouched; nothing here knows WebSocket frames.
 */
export function createProxy(deps: ProxyDeps): FleetProxy {
  const open = new Map<string, Set<Duplex>>();
  const server = createServer((request, response) => {
    relay(request, response, deps, track).catch((error) => refuseRequest(response, error, deps.log));
  });
  server.on("upgrade", (request, socket, head) => {
    socket.on("error", () => socket.destroy());
    tunnel(request, socket as Socket, head, deps, track).catch((error) =>
      refuseUpgrade(socket, error, deps.log),
    );
  });

  function track({ id, socket }: Target): void {
    const connections = open.get(id) ?? new Set();
    open.set(id, connections.add(socket));
    socket.once("close", () => connections.delete(socket));
  }

  return {
    server,
    drop(id) {
      for (const connection of open.get(id) ?? []) connection.destroy();
      open.delete(id);
    },
  };
}

type Track = (target: Target) => void;

async function relay(
  request: IncomingMessage,
  response: ServerResponse,
  deps: ProxyDeps,
  track: Track,
): Promise<void> {
  const target = await deps.reach(request, response);
  track(target);
  const upstream = ask(request, target, "close");
  request.pipe(upstream);
  response.once("close", () => upstream.destroy());
  await new Promise<void>((resolve, reject) => {
    upstream.once("error", reject);
    upstream.once("response", (answer) => {
      response.writeHead(answer.statusCode ?? 502, withoutHopByHop(answer.headers));
      answer.pipe(response);
      answer.once("error", () => response.destroy());
      response.once("close", resolve);
    });
  });
}

/**
 * The handshake is read, because an answer other than 101 must end the client's connection: a client that kept it would send
 * its next request, for whatever Machine, straight into this one. After a 101 only bytes pass.
 */
async function tunnel(
  request: IncomingMessage,
  client: Socket,
  head: Buffer,
  deps: ProxyDeps,
  track: Track,
): Promise<void> {
  // Nobody reads the client's socket now, and what is not read never ends: a visitor who leaves must be noticed.
  const early = [head];
  const keep = (chunk: Buffer) => void early.push(chunk);
  const leave = () => client.destroy();
  client.on("data", keep).once("end", leave);
  const target = await deps.reach(request, client);
  track(target);
  const upstream = ask(request, target, "Upgrade");
  client.once("close", () => target.socket.destroy());
  upstream.end();
  await new Promise<void>((resolve, reject) => {
    upstream.once("error", reject);
    upstream.once("response", (answer) => {
      client.write(headOf(answer, "close"));
      answer.pipe(client);
      resolve();
    });
    upstream.once("upgrade", (answer, sprite: Socket, first) => {
      client.write(headOf(answer, "Upgrade"));
      client.write(first);
      client.off("data", keep).off("end", leave);
      sprite.write(Buffer.concat(early));
      join(client, sprite);
      resolve();
    });
  });
}

function ask(request: IncomingMessage, { socket, path, headers }: Target, connection: string) {
  return httpRequest({
    createConnection: () => socket,
    method: request.method ?? "GET",
    path,
    headers: { ...headers, connection },
  });
}

/** Status line and headers as they go over the wire. */
function headOf(answer: IncomingMessage, connection: string): string {
  const headers = Object.entries(withoutHopByHop(answer.headers)).flatMap(([name, value]) =>
    [value].flat().map((one) => `${name}: ${one}\r\n`),
  );
  return `HTTP/1.1 ${answer.statusCode} ${answer.statusMessage}\r\nconnection: ${connection}\r\n${headers.join("")}\r\n`;
}

/** Makes two sockets one: bytes both ways at the pace of the slower, and each goes when the other goes. */
function join(client: Socket, sprite: Socket): void {
  for (const end of [client, sprite]) end.setNoDelay(true);
  client.pipe(sprite).pipe(client);
  // What ended in good order has been flushed by `pipe`; all that is left to do is to let go.
  client.once("close", () => sprite.destroy());
  sprite.once("error", () => client.destroy());
  sprite.once("close", () => client.destroy());
}

/** Our side decides how long its own connection lives and how its body is cut (RFC 9110 §7.6.1). */
function withoutHopByHop(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...rest } = headers;
  return rest;
}

function refuseRequest(response: ServerResponse, error: unknown, log: Log): void {
  const { status, text, headers } = reasonOf(error);
  log.debug({ status, reason: text }, "proxy refused a request");
  if (response.headersSent) response.destroy();
  else response.writeHead(status, { "content-type": "text/plain", ...headers }).end(text);
}

function refuseUpgrade(socket: Duplex, error: unknown, log: Log): void {
  const { status, text, headers } = reasonOf(error);
  log.debug({ status, reason: text }, "proxy refused an upgrade");
  const lines = Object.entries({
    connection: "close",
    "content-type": "text/plain",
    "content-length": String(Buffer.byteLength(text)),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}\r\n`);
  socket.end(`HTTP/1.1 ${status} Refused\r\n${lines.join("")}\r\n${text}`);
}

interface Reason {
  readonly status: number;
  readonly text: string;
  readonly headers: Readonly<Record<string, string>>;
}

function reasonOf(error: unknown): Reason {
  if (error instanceof Refusal) {
    const { status, headers = {} } = error.answer;
    return { status, text: error.message, headers };
  }
  return { status: 502, text: error instanceof Error ? error.message : String(error), headers: {} };
}
