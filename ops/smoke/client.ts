import {
  type AgentSecret,
  type CoID,
  type CryptoProvider,
  LocalNode,
  type Peer,
  type RawAccountID,
  type RawCoMap,
  type RawCoValue,
} from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import { WebSocket } from "ws";

/** An account, as another device of it needs to know it. */
export interface Identity {
  readonly accountID: RawAccountID;
  readonly accountSecret: AgentSecret;
}

/** An unmodified cojson client: one device of an account, with nothing stored on it. */
export interface SmokeClient {
  readonly node: LocalNode;
  readonly identity: Identity;
  /** How often its socket ended without its own doing. */
  readonly lost: () => number;
  connect(): void;
  disconnect(): void;
  load<T extends RawCoValue = RawCoMap>(id: string): Promise<T>;
  /** Resolves when the server has acknowledged all that this device has. */
  acknowledged(): Promise<void>;
  close(): Promise<void>;
}

let crypto: Promise<CryptoProvider> | undefined;

/** @param device of an account; without it a new account is made. */
export async function openClient(url: string, device?: Identity): Promise<SmokeClient> {
  const peers: Peer[] = [];
  let node: LocalNode | undefined;
  let lost = 0;
  const sockets = new Set<WebSocket>();
  const Counted = class extends WebSocket {
    constructor(address: string) {
      super(address);
      sockets.add(this);
      // cojson-transport-ws lets go of a socket that is refused; "close" follows and is counted.
      this.on("error", () => undefined);
      this.on("close", () => {
        if (sockets.delete(this)) lost++;
      });
    }
  };
  const connection = new WebSocketPeerWithReconnection({
    peer: url,
    reconnectionTimeout: 250,
    addPeer: (peer) => (node ? node.syncManager.addPeer(peer) : peers.push(peer)),
    removePeer: () => undefined,
    WebSocketConstructor: Counted as never,
  });
  connection.enable();
  // One for all devices: a second one breaks the first (cojson 0.20.19).
  crypto ??= WasmCrypto.create();
  const account = await openAccount(await crypto, peers, device);
  const opened = account.node;
  node = opened;
  const disconnect = () => {
    sockets.clear();
    connection.disable();
  };
  return {
    node: opened,
    identity: { accountID: account.accountID, accountSecret: account.accountSecret },
    lost: () => lost,
    connect: () => connection.enable(),
    disconnect,
    async load<T extends RawCoValue>(id: string) {
      const value = await opened.load(id as CoID<T>);
      if (value === "unavailable") throw new Error(`${id} is unavailable`);
      await value.core.waitForFullStreaming();
      return value;
    },
    acknowledged: async () => void (await opened.syncManager.waitForAllCoValuesSync()),
    async close() {
      disconnect();
      await opened.gracefulShutdown();
    },
  };
}

async function openAccount(provider: CryptoProvider, peers: Peer[], device: Identity | undefined) {
  if (!device) {
    return LocalNode.withNewlyCreatedAccount({
      creationProps: { name: "smoke test" },
      crypto: provider,
      peers,
    });
  }
  const { accountID, accountSecret } = device;
  const node = await LocalNode.withLoadedAccount({
    accountID,
    accountSecret,
    sessionID: undefined,
    crypto: provider,
    peers,
  });
  return { node, accountID, accountSecret };
}
