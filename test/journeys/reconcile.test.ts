import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalNode, type RawCoMap } from "cojson";
import { WebSocketPeerWithReconnection } from "cojson-transport-ws";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { startClient } from "../support/client.ts";
import { crypto } from "../support/crypto.ts";
import { startPlainServer } from "../support/plain-server.ts";
import { openSqliteStorage } from "../support/sqlite-storage.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

function connect(node: LocalNode, syncUrl: string): WebSocketPeerWithReconnection {
  const connection = new WebSocketPeerWithReconnection({
    peer: syncUrl,
    reconnectionTimeout: 100,
    addPeer: (peer) => node.syncManager.addPeer(peer),
    removePeer: () => undefined,
    WebSocketConstructor: WebSocket as never,
  });
  connection.enable();
  return connection;
}

describe("a client whose storage holds everything, and a server that has lost it all", () => {
  let directory: string;
  let stack: TestStack;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sprite-sync-reconcile-"));
    stack = await startTestStack();
  });
  afterAll(async () => {
    await stack?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** What the user's browser kept from the days of the old server: 3 groups with 60 values each, in 2 batches of cojson's. */
  async function yearsOfWork() {
    const database = openSqliteStorage({ sqlite: join(directory, "client.sqlite") });
    const { node, accountID, accountSecret } = await LocalNode.withNewlyCreatedAccount({
      creationProps: { name: "owner" },
      crypto,
      storage: database.storage,
    });
    const oldServer = await startPlainServer({ storage: "memory" });
    const connection = connect(node, oldServer.url);
    const maps: RawCoMap[] = [];
    for (let g = 0; g < 3; g++) {
      const group = node.createGroup();
      group.addMember("everyone", "reader");
      for (let n = 0; n < 60; n++) maps.push(group.createMap({ g, n }));
    }
    await node.syncManager.waitForAllCoValuesSync();
    connection.disable();
    await node.gracefulShutdown();
    database.close();
    await oldServer.close();
    return { accountID, accountSecret, contents: maps.map((map) => [map.id, map.toJSON()] as const) };
  }

  test("uploads all of it by cojson's full storage reconciliation, which is acknowledged once for each batch", async () => {
    const { accountID, accountSecret, contents } = await yearsOfWork();
    const database = openSqliteStorage({ sqlite: join(directory, "client.sqlite") });
    const node = await LocalNode.withLoadedAccount({
      accountID,
      accountSecret,
      sessionID: undefined,
      crypto,
      peers: [],
      storage: database.storage,
      enableFullStorageReconciliation: true,
    });
    const acks: string[] = [];
    const handle = node.syncManager.handleReconcileAck.bind(node.syncManager);
    node.syncManager.handleReconcileAck = (message, peer) => {
      acks.push(message.id);
      handle(message, peer);
    };
    const connection = connect(node, stack.syncUrl);
    await until(() => acks.length >= 2 && node.syncManager.pendingReconciliationAck.size === 0, {
      what: "the acknowledgement of every batch",
      timeoutMs: 25_000,
    });
    expect(new Set(acks).size).toBe(acks.length);
    connection.disable();
    await node.gracefulShutdown();
    database.close();

    const reader = await startClient(stack.syncUrl);
    const copies = await Promise.all(
      contents.map(async ([id]) => [id, (await reader.load(id)).toJSON()] as const),
    );
    expect(copies).toEqual(contents);
    await reader.close();
  });
});
