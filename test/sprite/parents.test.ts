import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test } from "vitest";
import { WebSocketServer } from "ws";
import { PASS_HEADER, verifySpritePass } from "../../shared/pass.ts";
import { until } from "../support/until.ts";
import {
  asGroupId,
  connect,
  listen,
  newAccount,
  newGroup,
  PASS_KEYS,
  startSprite,
  temporaryDirectory,
} from "./support.ts";

/** Alice's map in a group whose parent lives in another home. */
function nested() {
  const alice = newAccount();
  const parent = newGroup(alice);
  const group = newGroup(alice);
  group.extend(parent);
  const map = group.createMap();
  map.set("colour", "blue", "trusting");
  return { alice, node: alice.core.node, parent, group, map };
}

/** A server that holds all groups is to a Sprite what the edge is. */
function startEdge() {
  return startSprite(newGroup(newAccount()).id, { role: { kind: "single" } });
}

/** An edge that answers nothing and remembers what it was asked. */
async function startRecorder() {
  const server = new WebSocketServer({ port: 0, host: "127.0.0.1" });
  onTestFinished(() => server.close());
  await once(server, "listening");
  const heard: { action: string; id: string }[] = [];
  const passes: string[] = [];
  server.on("connection", (socket, request) => {
    passes.push(String(request.headers[PASS_HEADER]));
    socket.send(JSON.stringify({ type: "ping", time: Date.now(), dc: "test" }));
    socket.on("message", (data) => {
      for (const text of data.toString().split("\n")) heard.push(JSON.parse(text));
    });
  });
  return { heard, passes, url: `ws://127.0.0.1:${(server.address() as AddressInfo).port}`, server };
}

test("A change of a parent group in its own home reaches the replica, without any client's help", async () => {
  const { alice, node, parent, group, map } = nested();
  const bob = newAccount();
  const edge = await startEdge();
  const there = await connect(node, edge);
  await node.syncManager.waitForSyncWithPeer(there.peerId, map.id, 5_000);
  const sprite = await startSprite(group.id, { syncUrl: edge.url });
  const here = await connect(node, sprite);
  await node.syncManager.waitForSyncWithPeer(here.peerId, map.id, 5_000);
  here.close();
  await until(() => !node.syncManager.peers[here.peerId]);

  const { node: bobs } = bob.core;
  const bobThere = await connect(bobs, edge);
  await bobs.syncManager.waitForSyncWithPeer(bobThere.peerId, bob.id, 5_000);
  // The new member's account is unknown to the Sprite; nobody but the edge can bring it.
  const member = await node.load(bob.id);
  if (member === "unavailable") throw new Error("Bob is unavailable");
  parent.addMember(member, "reader");
  await node.syncManager.waitForSyncWithPeer(there.peerId, parent.id, 5_000);

  const reader = await listen(sprite);
  const { sessions } = parent.core.knownState();
  await until(
    () => {
      reader.send({ action: "load", id: parent.id, header: true, sessions });
      const last = reader.of("known").at(-1);
      return last?.id === parent.id && JSON.stringify(last.sessions) === JSON.stringify(sessions);
    },
    { what: "the parent's new state on the Sprite" },
  );
  expect(alice.id).not.toBe(bob.id);
});

test("It asks the edge for foreign parent groups and for nothing else it holds", async () => {
  const { node, parent, group, map } = nested();
  const edge = await startRecorder();
  const sprite = await startSprite(group.id, { syncUrl: edge.url });
  const { peerId } = await connect(node, sprite);
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  await until(() => edge.heard.length > 0, { what: "a load of the parent" });
  map.set("colour", "green", "trusting");
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  expect(new Set(edge.heard.map(({ id }) => id))).toEqual(new Set([parent.id]));
});

test("Without foreign parents it never connects to the edge", async () => {
  const alice = newAccount();
  const group = newGroup(alice);
  const map = group.createMap();
  map.set("colour", "blue", "trusting");
  const edge = await startRecorder();
  const sprite = await startSprite(group.id, { syncUrl: edge.url });
  const { peerId } = await connect(alice.core.node, sprite);
  await alice.core.node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  expect(edge.server.clients.size).toBe(0);
});

test("Following a parent does not keep the Sprite awake, and it follows again when it wakes", async () => {
  const { node, parent, group, map } = nested();
  const edge = await startRecorder();
  const pings = setInterval(() => {
    for (const socket of edge.server.clients)
      socket.send(JSON.stringify({ type: "ping", time: 0, dc: "test" }));
  }, 50);
  onTestFinished(() => clearInterval(pings));
  const directory = temporaryDirectory();
  const sprite = await startSprite(group.id, { syncUrl: edge.url, sleepAfterMs: 500, directory });
  const here = await connect(node, sprite);
  await node.syncManager.waitForSyncWithPeer(here.peerId, map.id, 5_000);
  await until(() => edge.heard.length > 0, { what: "a load of the parent" });
  await sprite.asleep;
  await sprite.sprite.close();
  await until(() => edge.server.clients.size === 0, { what: "the Sprite to hang up on the edge" });

  edge.heard.length = 0;
  const again = await startSprite(group.id, { syncUrl: edge.url, directory });
  const reader = await listen({ url: again.url, home: asGroupId(group.id) });
  reader.send({ action: "load", id: map.id, header: false, sessions: {} });
  await until(() => edge.heard.some(({ id }) => id === parent.id), {
    what: "a load of the parent after waking",
  });
});

test("It proves to the edge at each connection that it is one of its Sprites", async () => {
  const { node, group, map } = nested();
  const edge = await startRecorder();
  const sprite = await startSprite(group.id, { syncUrl: edge.url });
  const here = await connect(node, sprite);
  await node.syncManager.waitForSyncWithPeer(here.peerId, map.id, 5_000);
  await until(() => edge.passes.length === 1, { what: "the Sprite connecting to the edge" });
  for (const client of edge.server.clients) client.terminate();
  await until(() => edge.passes.length === 2, { what: "the Sprite connecting again" });
  for (const pass of edge.passes) {
    expect(await verifySpritePass(pass, PASS_KEYS)).toBe(group.id);
  }
});
