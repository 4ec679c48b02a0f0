import { type CoID, LocalNode, type RawCoMap } from "cojson";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import { WebSocket } from "ws";
import { crypto } from "../../test/support/crypto.ts";

/** A cojson client without an account, who may read what everyone may read. It leaves nothing on a server. */
export interface Guest {
  load(id: string): Promise<RawCoMap>;
  close(): Promise<void>;
}

/** An account would be a home of its own: each reader would start a Sprite, which is not what is measured here. */
export async function startGuest(syncUrl: string): Promise<Guest> {
  const secret = crypto.newRandomAgentSecret();
  const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
  const connection = new WebSocketPeerWithReconnection({
    peer: syncUrl,
    reconnectionTimeout: 100,
    addPeer: (peer) => node.syncManager.addPeer(peer),
    removePeer: () => undefined,
    WebSocketConstructor: WebSocket as never,
  });
  connection.enable();
  await connection.waitUntilConnected();
  return {
    async load(id) {
      const value = await node.load(id as CoID<RawCoMap>);
      if (value === "unavailable") throw new Error(`${id} is unavailable`);
      return value;
    },
    async close() {
      connection.disable();
      await node.gracefulShutdown();
    },
  };
}
