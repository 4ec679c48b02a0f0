import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { LocalNode, type StorageAPI } from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { createWebSocketPeer } from "cojson-transport-ws";
import { type WebSocket, WebSocketServer } from "ws";
import { openSqliteStorage, type SqliteOptions } from "./sqlite-storage.ts";

/** How often a client hears from the server; cojson clients hang up after 10 s without a frame. */
const PING_INTERVAL_MS = 1_500;

export interface PlainServerOptions {
  /** TCP port on 127.0.0.1; 0 (the default) takes any free one. */
  port?: number;
  storage: "memory" | SqliteOptions;
  /** Answers plain HTTP requests on the same port, so that a page and its sync address share an origin. */
  onRequest?: RequestListener;
}

export interface PlainServer {
  /** The sync address, `ws://127.0.0.1:<port>/sync`. Every path is accepted. */
  readonly url: string;
  readonly node: LocalNode;
  /** Hangs up on all clients, then closes the storage. Everything stored is on disk afterwards. */
  close(): Promise<void>;
}

/**
 * The sync server everybody else runs: one `LocalNode`, one process, all groups, wired as Jazz's own
 * (`jazz-run sync`: peers of role client, no batching until the client batches, peer state dropped on close).
 * It is what this project is compared with, and what tests of clients use when they need no Sprites.
 */
export async function startPlainServer(options: PlainServerOptions): Promise<PlainServer> {
  const database = options.storage === "memory" ? undefined : openSqliteStorage(options.storage);
  const node = await createServerNode(database?.storage);
  const http = createServer(options.onRequest ?? ((_, response) => response.writeHead(404).end()));
  const sockets = new WebSocketServer({ server: http });
  let clients = 0;
  sockets.on("connection", (socket) => serveClient(node, socket, `client-${++clients}`));

  await new Promise<void>((resolve, reject) => {
    http.once("error", reject);
    http.listen(options.port ?? 0, "127.0.0.1", resolve);
  });
  const { port } = http.address() as AddressInfo;

  return {
    url: `ws://127.0.0.1:${port}/sync`,
    node,
    async close() {
      for (const socket of sockets.clients) socket.terminate();
      const closed = new Promise((resolve) => http.close(resolve));
      http.closeAllConnections();
      await closed;
      await node.gracefulShutdown();
      database?.close();
    },
  };
}

async function createServerNode(storage: StorageAPI | undefined): Promise<LocalNode> {
  const crypto = await NapiCrypto.create();
  const agentSecret = crypto.newRandomAgentSecret();
  const node = new LocalNode(agentSecret, crypto.newRandomSessionID(crypto.getAgentID(agentSecret)), crypto);
  if (storage) node.setStorage(storage);
  node.enableGarbageCollector();
  return node;
}

function serveClient(node: LocalNode, socket: WebSocket, id: string): void {
  const ping = () => socket.send(JSON.stringify({ type: "ping", time: Date.now(), dc: "plain" }));
  const pings = setInterval(ping, PING_INTERVAL_MS);
  socket.on("close", () => clearInterval(pings));
  // Without a listener a reset connection would throw and take the process down; "close" follows every error.
  socket.on("error", () => {});
  // A client calls itself connected only after the first frame, so it should not wait for the interval.
  ping();
  node.syncManager.addPeer(
    createWebSocketPeer({
      id,
      role: "client",
      websocket: socket,
      expectPings: false,
      batchingByDefault: false,
      deletePeerStateOnClose: true,
    }),
  );
}
