import { expect, test } from "vitest";
import { until } from "../support/until.ts";
import {
  connect,
  contentOf,
  listen,
  newAccount,
  newGroup,
  startSprite,
  temporaryDirectory,
} from "./support.ts";

async function storedMap() {
  const alice = newAccount();
  const { node } = alice.core;
  const group = newGroup(alice);
  const map = group.createMap();
  map.set("colour", "blue", "trusting");
  const directory = temporaryDirectory();
  const before = await startSprite(group.id, { directory });
  const { peerId } = await connect(node, before);
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  const { header, sessions } = map.core.knownState();
  const start = async () => {
    await before.sprite.close();
    return startSprite(group.id, { directory });
  };
  return { node, group, map, state: { header, sessions }, before, start };
}

test("A re-attach is answered first with what is on disk, then like any load", async () => {
  const { map, state, start } = await storedMap();
  const edge = await listen(await start());
  edge.send({ action: "load", id: map.id, header: false, sessions: {}, reattach: true });
  await until(() => edge.of("content").some(({ id }) => id === map.id), { what: "the content" });
  const about = edge.heard.map((text) => JSON.parse(text)).filter(({ id }) => id === map.id);
  expect(about[0]).toEqual({ action: "known", id: map.id, ...state });
  expect(about[1]).toMatchObject({ action: "content", header: expect.anything() });
});

test("A re-attach to a Sprite that lost its disk is told that there is nothing", async () => {
  const { group, map, state } = await storedMap();
  const edge = await listen(await startSprite(group.id));
  edge.send({ action: "load", id: map.id, ...state, reattach: true });
  await until(() => edge.of("known").length >= 1, { what: "an answer" });
  expect(edge.of("known")[0]).toEqual({ action: "known", id: map.id, header: false, sessions: {} });
});

test("A re-attach claims only what is on disk, though the node has more in memory", async () => {
  const { node, map, state, before } = await storedMap();
  const edge = await listen(before);
  map.set("colour", "green", "trusting");
  const [content] = contentOf(node, map.id);
  const [coSession, batch] = Object.entries(content?.new ?? {})[0] ?? [];
  // In one frame: content, and a re-attach before the disk can have it.
  edge.send(
    [
      { ...content, header: undefined, new: { [coSession ?? ""]: batch } },
      { action: "load", id: map.id, header: false, sessions: {}, reattach: true },
    ]
      .map((message) => JSON.stringify(message))
      .join("\n"),
  );
  await until(() => edge.of("known").length >= 1, { what: "an answer" });
  expect(edge.of("known")[0]).toEqual({ action: "known", id: map.id, ...state });
});
