import { type CoID, LocalNode, type RawCoMap, type RawCoValue } from "cojson";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import { crypto } from "./crypto.ts";
import { type SocketEnd, watchSockets } from "./watched-sockets.ts";

/** A cojson client without an account, who may read what everyone may read. It leaves nothing on a server. */
export interface Guest {
  readonly node: LocalNode;
  /** How often its socket was closed by the other side, or lost. */
  readonly closures: () => number;
  /** Loads a value, or throws. */
  load<T extends RawCoValue = RawCoMap>(id: string): Promise<T>;
  close(): Promise<void>;
}

/**
 * An account would be a home of its own: each reader would start a Sprite, which is not always wanted.
 * @param onSocketEnd told of each socket that ended without the guest's doing.
 */
export async function startGuest(syncUrl: string, onSocketEnd?: (end: SocketEnd) => void): Promise<Guest> {
  const secret = crypto.newRandomAgentSecret();
  const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
  const sockets = watchSockets(onSocketEnd);
  const connection = new WebSocketPeerWithReconnection({
    peer: syncUrl,
    reconnectionTimeout: 100,
    addPeer: (peer) => node.syncManager.addPeer(peer),
    removePeer: () => undefined,
    WebSocketConstructor: sockets.Socket as never,
  });
  connection.enable();
  await connection.waitUntilConnected();
  return {
    node,
    closures: sockets.closures,
    async load<T extends RawCoValue>(id: string): Promise<T> {
      const value = await node.load(id as CoID<T>);
      if (value === "unavailable") throw new Error(`${id} is unavailable`);
      return value;
    },
    async close() {
      sockets.letGo();
      connection.disable();
      await node.gracefulShutdown();
    },
  };
}
