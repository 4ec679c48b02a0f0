import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { json } from "node:stream/consumers";
import { closeServer } from "../listen.ts";
import type { Tasks } from "./tasks.ts";

/** The runtime's socket as programs inside of a Sprite find it (`/.sprite/api.sock`), somewhere else on this computer. */
export interface GuestServer {
  readonly path: string;
  close(): Promise<void>;
}

/**
 * Serves one Sprite's Tasks API (facts/fly-sprites §4) on a Unix socket. In the system's temporary directory: such a path
 * has 100 characters or so at the most.
 */
export async function startGuestServer(tasks: Tasks): Promise<GuestServer> {
  const directory = await mkdtemp(join(tmpdir(), "sprite-"));
  const path = join(directory, "api.sock");
  const server = createServer((request, response) => {
    answer(request, response, tasks).catch(() => response.writeHead(400).end());
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", reject);
    server.listen(path, resolve);
  });
  return {
    path,
    async close() {
      const closed = closeServer(server);
      server.closeAllConnections();
      await closed;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function answer(request: IncomingMessage, response: ServerResponse, tasks: Tasks): Promise<void> {
  const name = /^\/v1\/tasks\/([a-z0-9-]+)$/.exec(request.url ?? "")?.[1];
  if (!name) return void response.writeHead(404).end();
  if (request.method === "PUT") {
    const { expire } = (await json(request)) as { expire?: unknown };
    const seconds = Number(/^(\d+)s$/.exec(String(expire))?.[1]);
    // An hour is the documented maximum.
    const fits = seconds > 0 && seconds <= 3_600;
    if (fits) tasks.hold(name, seconds * 1_000);
    return void response.writeHead(fits ? 200 : 400).end();
  }
  if (request.method === "DELETE") return void response.writeHead(tasks.release(name) ? 204 : 404).end();
  response.writeHead(405).end();
}
