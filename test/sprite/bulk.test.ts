import { LocalNode, type RawBinaryCoStream, type RawCoMap } from "cojson";
import { expect, test } from "vitest";
import { openStorage } from "../../sprite/storage/index.ts";
import { until } from "../support/until.ts";
import {
  connect,
  crypto,
  listen,
  loadFresh,
  newAccount,
  newGroup,
  startSprite,
  temporaryDirectory,
} from "./support.ts";

test("A file of 5 MB arrives whole, and loads whole after a restart", async () => {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "reader");
  const file: RawBinaryCoStream = group.createBinaryStream();
  const bytes = new Uint8Array(5 * 1024 * 1024).map((_, index) => (index * 31) % 251);
  file.startBinaryStream({ mimeType: "application/octet-stream", totalSizeBytes: bytes.length }, "trusting");
  for (let at = 0; at < bytes.length; at += 100_000) {
    file.pushBinaryStreamChunk(bytes.slice(at, at + 100_000), "trusting");
  }
  file.endBinaryStream("trusting");
  const directory = temporaryDirectory();
  const before = await startSprite(group.id, { directory });
  const { node } = alice.core;
  const { peerId } = await connect(node, before);
  await node.syncManager.waitForSyncWithPeer(peerId, file.id, 20_000);
  await before.sprite.close();

  const after = await startSprite(group.id, { directory });
  const reader = newAccount().core.node;
  await connect(reader, after);
  const loaded = await reader.load(file.id);
  if (loaded === "unavailable") throw new Error("the file is unavailable");
  const chunks = await until(() => loaded.getBinaryChunks(), { what: "the end of the file" });
  expect(Buffer.concat(chunks.chunks).equals(Buffer.from(bytes))).toBe(true);
});

test("A thousand small CoValues are stored and acknowledged", async () => {
  const alice = newAccount();
  const group = newGroup(alice);
  const maps = Array.from({ length: 1_000 }, (_, index) => {
    const map: RawCoMap = group.createMap();
    map.set("index", index, "trusting");
    return map;
  });
  const sprite = await startSprite(group.id);
  const { node } = alice.core;
  const { peerId } = await connect(node, sprite);
  await Promise.all(maps.map(({ id }) => node.syncManager.waitForSyncWithPeer(peerId, id, 20_000)));
  const edge = await listen(sprite);
  for (const { core } of maps) {
    const { header, sessions } = core.knownState();
    edge.send({ action: "load", id: core.id, header, sessions });
  }
  await until(() => edge.of("known").length === 1_000, { what: "a thousand answers" });
  const states = new Map(edge.of("known").map(({ id, sessions }) => [id, sessions]));
  for (const { core } of maps) expect(states.get(core.id)).toEqual(core.knownState().sessions);
});

test("A client that reconciles its whole storage brings everything to a Sprite that lost its disk", async () => {
  const storage = await openStorage(temporaryDirectory());
  const alice = LocalNode.internalCreateAccount({ crypto, storage });
  const group = newGroup(alice);
  group.addMember("everyone", "reader");
  const maps = Array.from({ length: 250 }, (_, index) => {
    const map: RawCoMap = group.createMap();
    map.set("index", index, "trusting");
    return map;
  });
  const last = maps.at(-1);
  if (!last) throw new Error("nothing was written");
  const { node } = alice.core;
  await Promise.all(maps.map(({ id }) => node.syncManager.waitForStorageSync(id)));
  void node.syncManager.gracefulShutdown();

  // The same account, with nothing in memory.
  const again = new LocalNode(
    alice.core.node.agentSecret,
    crypto.newRandomSessionID(alice.id as never),
    crypto,
    "always",
    true,
  );
  again.setStorage(storage);
  const sprite = await startSprite(group.id);
  const { peerId } = await connect(again, sprite, { persistent: true });
  await until(
    () => again.syncManager.pendingReconciliationAck.size === 0 && again.syncManager.peers[peerId],
    {
      what: "the reconciliation to be acknowledged",
    },
  );
  await until(async () => (await loadFresh(sprite, last.id)).get("index") === 249, {
    what: "the last of them",
  });
  for (const map of maps.slice(0, 5)) {
    expect((await loadFresh(sprite, map.id)).get("index")).toBe(map.get("index"));
  }
});

test("A deletion is acknowledged, and holds against a client that still writes", async () => {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "writer");
  const map: RawCoMap = group.createMap();
  map.set("colour", "blue", "trusting");
  const sprite = await startSprite(group.id);
  const { node } = alice.core;
  const { peerId } = await connect(node, sprite);
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);

  const bob = newAccount().core.node;
  const connection = await connect(bob, sprite);
  const bobs = await bob.load(map.id);
  if (bobs === "unavailable") throw new Error("the map is unavailable");
  connection.close();
  await until(() => !bob.syncManager.peers[connection.peerId]);
  map.core.deleteCoValue();
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);

  bobs.set("colour", "green", "trusting");
  const late = await connect(bob, sprite);
  await bob.syncManager.waitForSyncWithPeer(late.peerId, map.id, 5_000);
  await until(() => bobs.core.isDeleted, { what: "Bob to hear of the deletion" });
  const reader = await listen(sprite);
  reader.send({ action: "load", id: map.id, header: false, sessions: {} });
  await until(() => reader.of("content").some(({ id }) => id === map.id), { what: "the tombstone" });
  const coSessions = reader
    .of("content")
    .filter(({ id }) => id === map.id)
    .flatMap((content) => Object.keys(content.new as object));
  expect(coSessions).toHaveLength(1);
  expect(coSessions[0]).toMatch(/\$$/);
});
