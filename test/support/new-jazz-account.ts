import type { LocalNode, Peer } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import { createJazzContextForNewAccount, MockSessionProvider } from "jazz-tools";

/** A new account of an unmodified jazz-tools app in this process, connected. */
export async function newJazzAccount(syncUrl: string, name: string) {
  const peers: Peer[] = [];
  let node: LocalNode | undefined;
  const connection = new WebSocketPeerWithReconnection({
    peer: syncUrl,
    reconnectionTimeout: 100,
    addPeer: (peer) => (node ? node.syncManager.addPeer(peer) : peers.push(peer)),
    removePeer: () => undefined,
  });
  connection.enable();
  const { account } = await createJazzContextForNewAccount({
    creationProps: { name },
    peers,
    crypto: await WasmCrypto.create(),
    sessionProvider: new MockSessionProvider(),
  });
  const opened = account.$jazz.localNode;
  node = opened;
  return {
    account,
    node: opened,
    close: async () => {
      connection.disable();
      await opened.gracefulShutdown();
    },
  };
}
