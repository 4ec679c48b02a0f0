import {
  createServer,
  request as httpRequest,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { Socket } from "node:net";
import type { Duplex } from "node:stream";
import type { Log } from "../../shared/log.ts";
import type { Machine } from "./machine.ts";
import { INSTANCE_HEADER, reach, type TargetDeps } from "./proxy-target.ts";
import { Refusal } from "./refusal.ts";

export interface ProxyDeps extends TargetDeps {
  readonly log: Log;
}

/** The app's public face on this computer: `https://<app>.fly.dev` of the cloud. */
export interface FlyProxy {
  readonly server: Server;
  /** Cuts everything that goes to a Machine, as when its host takes the network away. */
  drop(machineId: string): void;
}

/**
 * Stands for fly-proxy (facts/fly-machines §2): sends each request and each WebSocket upgrade to the Machine that
 * `fly-force-instance-id` names, starting it first when it sleeps and its service says `autostart`.
 *
 * - Bytes of an upgraded connection pass through untouched; nothing here knows WebSocket frames.
 * - Unlike Fly it refuses a request that names no Machine: there a random one would be woken (§5.15).
 * - A Machine that is just `stopping` or `suspending` is refused at once (PM08, §2.2): the client must use the API.
 */
export function createProxy(deps: ProxyDeps): FlyProxy {
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

  function track(machineId: string, connection: Duplex): void {
    const connections = open.get(machineId) ?? new Set();
    open.set(machineId, connections.add(connection));
    connection.once("close", () => connections.delete(connection));
  }

  return {
    server,
    drop(machineId) {
      for (const connection of open.get(machineId) ?? []) connection.destroy();
      open.delete(machineId);
    },
  };
}

type Track = (machineId: string, connection: Duplex) => void;

async function relay(
  request: IncomingMessage,
  response: ServerResponse,
  deps: ProxyDeps,
  track: Track,
): Promise<void> {
  const { machine, socket } = await reach(request, response, deps);
  track(machine.record.id, socket);
  const upstream = ask(request, machine, socket, "close");
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
  const { machine, socket } = await reach(request, client, deps);
  track(machine.record.id, socket);
  const upstream = ask(request, machine, socket, "Upgrade");
  client.once("close", () => socket.destroy());
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

function ask(request: IncomingMessage, machine: Machine, socket: Socket, connection: string) {
  return httpRequest({
    createConnection: () => socket,
    method: request.method ?? "GET",
    path: request.url ?? "/",
    headers: { ...forwarded(request, machine), connection },
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

/** The request's headers as the app gets them: without the routing header, which stays in the proxy (§2.1). */
function forwarded(request: IncomingMessage, machine: Machine): OutgoingHttpHeaders {
  const { [INSTANCE_HEADER]: _, ...headers } = request.headers;
  return {
    ...headers,
    "fly-client-ip": request.socket.remoteAddress ?? "",
    "fly-region": machine.record.region,
    "x-forwarded-proto": "http",
  };
}

/** Our side decides how long its own connection lives and how its body is cut (RFC 9110 §7.6.1). */
function withoutHopByHop(headers: OutgoingHttpHeaders): OutgoingHttpHeaders {
  const { connection: _, "keep-alive": __, "transfer-encoding": ___, ...rest } = headers;
  return rest;
}

function refuseRequest(response: ServerResponse, error: unknown, log: Log): void {
  const { status, text } = reasonOf(error);
  log.debug({ status, reason: text }, "proxy refused a request");
  if (response.headersSent) response.destroy();
  else response.writeHead(status, { "content-type": "text/plain" }).end(text);
}

function refuseUpgrade(socket: Duplex, error: unknown, log: Log): void {
  const { status, text } = reasonOf(error);
  log.debug({ status, reason: text }, "proxy refused an upgrade");
  socket.end(
    `HTTP/1.1 ${status} Refused\r\nconnection: close\r\ncontent-type: text/plain\r\ncontent-length: ${Buffer.byteLength(text)}\r\n\r\n${text}`,
  );
}

function reasonOf(error: unknown): { status: number; text: string } {
  if (error instanceof Refusal) return { status: error.answer.status, text: error.message };
  return { status: 502, text: error instanceof Error ? error.message : String(error) };
}
