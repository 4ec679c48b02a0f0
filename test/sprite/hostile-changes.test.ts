import type { RawCoID } from "cojson";
import fc from "fast-check";
import { expect, test } from "vitest";
import { SpriteSyncError } from "../../shared/errors.ts";
import { checkChanges } from "../../sprite/change-check.ts";
import { IN_A_GROUP, IN_A_LIST, signedContent } from "../support/hostile-changes.ts";
import { until } from "../support/until.ts";
import {
  connect,
  type Listener,
  listen,
  loadFresh,
  newAccount,
  newGroup,
  startSprite,
  temporaryDirectory,
} from "./support.ts";

function written() {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "writer");
  const list = group.createList([1], null, "trusting");
  const map = group.createMap();
  map.set("n", 0, "trusting");
  return { node: alice.core.node, group, list, map };
}

async function refused(attacker: Listener, id: RawCoID, content: object): Promise<void> {
  const before = attacker.of("error").length;
  attacker.send(content);
  await until(() => attacker.of("error").length > before, { what: "the refusal" });
  expect(attacker.of("error").at(-1)).toMatchObject({ code: "bad-message", id });
}

test("A validly signed transaction whose shape cojson does not expect is refused, and the group and its list go on", async () => {
  const { node, group, list, map } = written();
  const sprite = await startSprite(group.id);
  const { peerId } = await connect(node, sprite);
  const synced = () =>
    Promise.all([group, list, map].map(({ id }) => node.syncManager.waitForSyncWithPeer(peerId, id, 10_000)));
  await synced();
  // Somebody without a role, whose account the Sprite has.
  const forger = newAccount();
  const asClient = await connect(forger.core.node, sprite);
  const theirs = await forger.core.node.load(map.id);
  if (theirs !== "unavailable") theirs.set("note", "mine", "trusting");
  await forger.core.node.syncManager.waitForSyncWithPeer(asClient.peerId, map.id, 10_000);
  asClient.close();
  group.removeMember("everyone");
  group.addMember("everyone", "reader");
  await synced();
  const attacker = await listen(sprite);
  for (const hostile of Object.values(IN_A_GROUP)) {
    await refused(attacker, group.id, signedContent(forger, group, hostile));
  }
  for (const hostile of Object.values(IN_A_LIST)) {
    await refused(attacker, list.id, signedContent(forger, list, hostile));
  }

  group.addMember("everyone", "writer");
  map.set("n", 1, "trusting");
  list.append(2, undefined, "trusting");
  await synced();
  expect((await loadFresh(sprite, map.id)).get("n")).toBe(1);
  expect((await loadFresh(sprite, list.id)).toJSON()).toEqual([1, 2]);
});

test("A value that is on the Sprite's disk and not in its memory is guarded as well", async () => {
  const { node, group, list } = written();
  const directory = temporaryDirectory();
  const first = await startSprite(group.id, { directory });
  const { peerId, close } = await connect(node, first);
  await node.syncManager.waitForSyncWithPeer(peerId, list.id, 10_000);
  close();
  await first.sprite.close();
  const second = await startSprite(group.id, { directory });
  const forger = newAccount();
  const attacker = await listen(second);
  await refused(attacker, list.id, signedContent(forger, list, ["[null]"]));
  expect((await loadFresh(second, list.id)).toJSON()).toEqual([1]);
});

const SHAPES = {
  group: { type: "comap", ruleset: { type: "group" } },
  map: { type: "comap", ruleset: { type: "ownedByGroup" } },
  list: { type: "colist", ruleset: { type: "ownedByGroup" } },
  stream: { type: "costream", ruleset: { type: "ownedByGroup" } },
};
type Kind = keyof typeof SHAPES;

const check = (kind: Kind, changes: string, meta?: string) =>
  checkChanges(SHAPES[kind], [{ privacy: "trusting", changes, meta: meta ?? null }]);

const LONG = "x".repeat(10_000);
const ITEM = { sessionID: "co_zx_session_zx", txIndex: 0, changeIdx: 0 };

test.each<[string, Kind, unknown[], object?]>([
  ["a role", "group", [{ op: "set", key: "everyone", value: "reader" }]],
  ["a group without a name", "group", [{ op: "set", key: "profile", value: null }]],
  ["what cojson calls invalid, and reads", "group", [{ op: "insert", key: "readKey", value: {} }]],
  ["a map's numbered key", "map", [{ op: "set", key: 5, value: [1, 2] }]],
  ["a map's long value", "map", [{ op: "set", key: "text", value: { op: 5, key: LONG } }]],
  ["a map's long key", "map", [{ op: "del", key: LONG }]],
  [
    "a list's items",
    "list",
    [
      { op: "app", after: "start", value: LONG },
      { op: "pre", before: ITEM, value: 1 },
    ],
  ],
  ["a list's deletion", "list", [{ op: "del", insertion: { ...ITEM, branch: "co_zbranch" } }]],
  ["any item of a stream", "stream", [null, 5, "text", [LONG]]],
  ["nothing", "list", [], { deleted: "co_zx" }],
  ["the beginning of a branch", "map", [], { from: { co_zx_session_zx: 1 } }],
  ["the name of a branch", "map", [], { branch: "draft", ownerId: "co_zx" }],
  ["what was merged", "list", [], { mi: 0, t: 5, s: "co_zx_session_zx", b: "co_zx" }],
])("An honest transaction passes: %s", (_, kind, changes, meta) => {
  check(kind, JSON.stringify(changes), meta && JSON.stringify(meta));
});

test("Whatever stands in changes or meta, it passes or is refused as a bad message", () => {
  const text = fc.oneof(fc.json(), fc.string());
  fc.assert(
    fc.property(
      fc.constantFrom<Kind>("group", "map", "list", "stream"),
      text,
      text,
      (kind, changes, meta) => {
        try {
          check(kind, changes, meta);
        } catch (error) {
          expect(error).toBeInstanceOf(SpriteSyncError);
          expect((error as SpriteSyncError).code).toBe("bad-message");
        }
      },
    ),
  );
});
