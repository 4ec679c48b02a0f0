import {
  type AgentSecret,
  type CoID,
  LocalNode,
  type Peer,
  type RawAccountID,
  type RawCoMap,
  type RawCoValue,
} from "cojson";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import { crypto } from "./crypto.ts";
import { type SocketEnd, type Traffic, watchSockets } from "./watched-sockets.ts";

export interface Client {
  readonly node: LocalNode;
  readonly accountID: RawAccountID;
  readonly accountSecret: AgentSecret;
  /** Connects a client that was started offline, or disconnected. */
  connect(): void;
  /** Ends the connection from this side and makes no new one. */
  disconnect(): void;
  /** How often its socket was closed by the other side, or lost. */
  readonly closures: () => number;
  readonly traffic: Traffic;
  /** Loads a value, or throws. */
  load<T extends RawCoValue = RawCoMap>(id: string): Promise<T>;
  /** Resolves when the server has acknowledged everything this client knows of. */
  synced(): Promise<void>;
  close(): Promise<void>;
}

export interface ClientOptions {
  /** Name of the new account's profile. */
  readonly name?: string;
  readonly offline?: boolean;
  /** Another device of this client's account, instead of a new account. */
  readonly deviceOf?: Pick<Client, "accountID" | "accountSecret">;
  /** Told of each socket that ended without this client's doing. */
  readonly onSocketEnd?: (end: SocketEnd) => void;
}

/** An unmodified cojson client in this process: a LocalNode and cojson-transport-ws's reconnecting peer. */
export async function startClient(syncUrl: string, options: ClientOptions = {}): Promise<Client> {
  const peers: Peer[] = [];
  let node: LocalNode | undefined;
  const sockets = watchSockets(options.onSocketEnd);
  const connection = new WebSocketPeerWithReconnection({
    peer: syncUrl,
    reconnectionTimeout: 100,
    addPeer: (peer) => (node ? node.syncManager.addPeer(peer) : peers.push(peer)),
    removePeer: () => undefined,
    WebSocketConstructor: sockets.Socket as never,
  });
  if (options.deviceOf) connection.enable();
  const account = await openAccount(options, peers).catch((error: unknown) => {
    sockets.letGo();
    connection.disable();
    throw error;
  });
  const opened = account.node;
  node = opened;
  if (!options.offline) connection.enable();
  return {
    ...account,
    connect: connection.enable,
    disconnect() {
      sockets.letGo();
      connection.disable();
    },
    closures: sockets.closures,
    traffic: sockets.traffic,
    async load<T extends RawCoValue>(id: string): Promise<T> {
      const value = await opened.load(id as CoID<T>);
      if (value === "unavailable") throw new Error(`${id} is unavailable`);
      return value;
    },
    synced: async () => void (await opened.syncManager.waitForAllCoValuesSync()),
    async close() {
      sockets.letGo();
      connection.disable();
      await opened.gracefulShutdown();
    },
  };
}

async function openAccount({ name = "tester", deviceOf }: ClientOptions, peers: Peer[]) {
  if (!deviceOf) return LocalNode.withNewlyCreatedAccount({ creationProps: { name }, crypto, peers });
  const { accountID, accountSecret } = deviceOf;
  const node = await LocalNode.withLoadedAccount({
    accountID,
    accountSecret,
    sessionID: undefined,
    crypto,
    peers,
  });
  return { node, accountID, accountSecret };
}
