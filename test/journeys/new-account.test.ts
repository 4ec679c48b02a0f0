import type { LocalNode, Peer, RawAccount, RawCoMap } from "cojson";
import { WasmCrypto } from "cojson/crypto/WasmCrypto";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import { createJazzContextForNewAccount, InboxSender, MockSessionProvider } from "jazz-tools";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { PLACEMENT_POLICIES } from "../../shared/placement.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";

/** An unmodified jazz-tools app in this process, with a new account. */
async function openApp(syncUrl: string, name: string) {
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
  node = account.$jazz.localNode;
  const opened = node;
  return {
    account,
    node: opened,
    close: async () => {
      connection.disable();
      await opened.gracefulShutdown();
    },
  };
}

describe.each(PLACEMENT_POLICIES)(
  "an account that is read while its Sprite is created, placed by %s",
  (placement) => {
    let stack: TestStack;
    let reader: Awaited<ReturnType<typeof openApp>>;

    beforeAll(async () => {
      stack = await startTestStack({ placement });
      reader = await openApp(stack.syncUrl, "reader");
      await reader.account.$jazz.waitForAllCoValuesSync();
    });
    afterAll(async () => {
      await reader?.close();
      await stack?.close();
    });

    test.each([1, 2, 3])("is there with its profile and inbox, or not at all (%i)", async () => {
      const { account, close } = await openApp(stack.syncUrl, "new");
      const id = account.$jazz.id;
      // What Jazz's own sender does: it gives up at once if anything of it is missing.
      const sending = InboxSender.load(id, reader.account);
      const seen = await reader.node.load<RawAccount>(id as never);
      if (seen === "unavailable") throw new Error("the account is unavailable");
      const profileId = seen.get("profile");
      expect(profileId).toBeDefined();
      const profile = await reader.node.load<RawCoMap>(profileId as never);
      if (profile === "unavailable") throw new Error("the profile is unavailable");
      expect(profile.get("name")).toBe("new");
      expect(profile.get("inboxInvite")).toBeDefined();
      await sending;
      await close();
    });
  },
);
