import type { LocalNode, RawCoID, RawCoMap } from "cojson";
import { expect, test } from "vitest";
import { until } from "../support/until.ts";
import {
  connect,
  contentOf,
  type Listener,
  listen,
  loadFresh,
  newAccount,
  newGroup,
  slowDisk,
  startSprite,
  type TestSprite,
} from "./support.ts";

/** What anybody can make who knows a CoValue: a transaction after the author's last, with an old signature. */
function forgedAppend(node: LocalNode, id: RawCoID, change: unknown) {
  const [content] = contentOf(node, id);
  const [coSession, batch] = Object.entries(content?.new ?? {})[0] ?? [];
  if (!content || !coSession || !batch) throw new Error(`${id} is empty`);
  return {
    action: "content",
    id,
    priority: content.priority,
    new: {
      [coSession]: {
        after: batch.after + batch.newTransactions.length,
        newTransactions: [{ privacy: "trusting", madeAt: Date.now(), changes: JSON.stringify([change]) }],
        lastSignature: batch.lastSignature,
      },
    },
  };
}

async function sendForgery(attacker: Listener, node: LocalNode, id: RawCoID, key = "forged") {
  const before = attacker.of("error").length;
  attacker.send(forgedAppend(node, id, { op: "set", key, value: "forged" }));
  await until(() => attacker.of("error").length > before, { what: "the refusal" });
  expect(attacker.of("error").at(-1)).toMatchObject({ code: "bad-message", id });
}

/** Alice with a group and a map of hers, all on the Sprite. */
async function aliceOn(sprite: TestSprite, node: LocalNode, ...ids: RawCoID[]) {
  const { peerId } = await connect(node, sprite);
  const synced = () => Promise.all(ids.map((id) => node.syncManager.waitForSyncWithPeer(peerId, id, 5_000)));
  await synced();
  return { synced };
}

function written(account = newAccount()) {
  const group = newGroup(account);
  group.addMember("everyone", "writer");
  const map: RawCoMap = group.createMap();
  map.set("colour", "blue", "trusting");
  return { node: account.core.node, group, map };
}

test("After a forged append to a map, its author's next write is accepted, acknowledged and served", async () => {
  const { node, group, map } = written();
  const sprite = await startSprite(group.id);
  const { synced } = await aliceOn(sprite, node, map.id);

  const attacker = await listen(sprite);
  await sendForgery(attacker, node, map.id);
  await sendForgery(attacker, node, map.id);

  map.set("colour", "green", "trusting");
  await synced();
  const loaded = await loadFresh(sprite, map.id);
  expect(loaded.get("colour")).toBe("green");
  expect(loaded.get("forged")).toBeUndefined();
});

test("After a forged append to a group that others depend on, its author's next write is accepted and served", async () => {
  const { node, group, map } = written();
  const child = node.createGroup();
  child.extend(group);
  const inChild = child.createMap();
  inChild.set("deep", "down", "trusting");
  const sprite = await startSprite(group.id);
  const { synced } = await aliceOn(sprite, node, group.id, child.id, map.id, inChild.id);

  const attacker = await listen(sprite);
  await sendForgery(attacker, node, group.id, "everyone");

  group.addMember("everyone", "reader");
  await synced();
  inChild.set("deep", "deeper", "trusting");
  await synced();
  const loaded = await loadFresh(sprite, inChild.id);
  expect(loaded.get("deep")).toBe("deeper");
  expect(loaded.group.getParentGroups()[0]?.get("everyone")).toBe("reader");
});

test("A forged append while the author's content waits for the disk loses none of it", async () => {
  const { node, group, map } = written();
  const disk = slowDisk();
  const sprite = await startSprite(group.id, { wrap: disk.wrap });
  const { synced } = await aliceOn(sprite, node, map.id);

  disk.stop();
  map.set("colour", "green", "trusting");
  await until(() => disk.held > 0, { what: "the store" });
  const attacker = await listen(sprite);
  await sendForgery(attacker, node, map.id);
  map.set("colour", "red", "trusting");
  await until(() => disk.held > 1, { what: "the second store" });
  disk.go();
  await synced();

  const loaded = await loadFresh(sprite, map.id);
  expect(loaded.get("colour")).toBe("red");
});

test("A forged first transaction of a coSession does not stop its owner from beginning it", async () => {
  const { node, group, map } = written();
  const sprite = await startSprite(group.id);
  const { synced } = await aliceOn(sprite, node, map.id);
  const second = node.createCoValue({
    type: "comap",
    ruleset: { type: "ownedByGroup", group: group.id },
    meta: null,
    uniqueness: "second",
  });
  await synced();
  const attacker = await listen(sprite);
  const forged = forgedAppend(node, map.id, { op: "set", key: "forged", value: 1 });
  const [coSession, batch] = Object.entries(forged.new)[0] ?? [];
  attacker.send({ ...forged, id: second.id, new: { [coSession ?? ""]: { ...batch, after: 0 } } });
  await until(() => attacker.of("error").length === 1, { what: "the refusal" });

  const content = second.getCurrentContent() as RawCoMap;
  content.set("mine", "yes", "trusting");
  await synced();
  await until(async () => (await loadFresh(sprite, second.id)).get("mine") === "yes", {
    what: "the owner's write",
  });
});
