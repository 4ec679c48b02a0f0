import { expect, test } from "vitest";
import { until } from "../support/until.ts";
import { connect, listen, loadFresh, newAccount, newGroup, startSprite } from "./support.ts";

test("What one client writes, a client that has nothing else can load", async () => {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "writer");
  const map = group.createMap();
  map.set("colour", "blue");
  const sprite = await startSprite(group.id);

  const { peerId } = await connect(alice.core.node, sprite);
  await alice.core.node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);

  const loaded = await loadFresh(sprite, map.id);
  expect(loaded.get("colour")).toBe("blue");
});

test("The Sprite says who it is before anything else", async () => {
  const group = newGroup(newAccount());
  const sprite = await startSprite(group.id);
  const edge = await listen(sprite);
  await until(() => edge.heard.length >= 2, { what: "hello and a ping" });
  expect(JSON.parse(edge.heard[0] ?? "")).toMatchObject({
    type: "hello",
    home: group.id,
    boot: sprite.sprite.boot,
  });
  expect(edge.of("ping")).toHaveLength(1);
});
