import { type CoID, LocalNode, type RawCoMap, type RawCoValue } from "cojson";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import { WebSocket } from "ws";
import { crypto } from "./crypto.ts";

export interface Client {
  readonly node: LocalNode;
  readonly accountID: string;
  /** Connects a client that was started offline, or disconnected. */
  connect(): void;
  /** Ends the connection from this side and makes no new one. */
  disconnect(): void;
  /** How often its socket was closed by the other side, or lost. */
  readonly closures: () => number;
  /** Loads a value, or throws. */
  load<T extends RawCoValue = RawCoMap>(id: string): Promise<T>;
  /** Resolves when the server has acknowledged everything this client knows of. */
  synced(): Promise<void>;
  close(): Promise<void>;
}

/** An unmodified cojson client in this process: a LocalNode with a new account, and cojson-transport-ws's reconnecting peer. */
export async function startClient(
  syncUrl: string,
  { name = "tester", offline = false }: { name?: string; offline?: boolean } = {},
): Promise<Client> {
  const { node, accountID } = await LocalNode.withNewlyCreatedAccount({
    creationProps: { name },
    crypto,
    peers: [],
  });
  let closures = 0;
  let ended = false;
  const socket = class extends WebSocket {
    constructor(url: string) {
      super(url);
      this.on("close", () => ended || closures++);
    }
  };
  const connection = new WebSocketPeerWithReconnection({
    peer: syncUrl,
    reconnectionTimeout: 100,
    addPeer: (peer) => node.syncManager.addPeer(peer),
    removePeer: () => undefined,
    WebSocketConstructor: socket as never,
  });
  if (!offline) connection.enable();
  return {
    node,
    accountID,
    connect: connection.enable,
    disconnect: connection.disable,
    closures: () => closures,
    async load<T extends RawCoValue>(id: string): Promise<T> {
      const value = await node.load(id as CoID<T>);
      if (value === "unavailable") throw new Error(`${id} is unavailable`);
      return value;
    },
    synced: async () => void (await node.syncManager.waitForAllCoValuesSync()),
    async close() {
      ended = true;
      connection.disable();
      await node.gracefulShutdown();
    },
  };
}
