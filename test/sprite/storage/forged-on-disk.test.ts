import { join } from "node:path";
import type { RawCoID } from "cojson";
import { expect, test } from "vitest";
import { openStorage } from "../../../sprite/storage/index.ts";
import { until } from "../../support/until.ts";
import {
  connect,
  contentOf,
  listen,
  loadFresh,
  newAccount,
  newGroup,
  startSprite,
  type TestSprite,
  temporaryDirectory,
} from "../support.ts";
import { type Content, storeDone } from "./content.ts";

/** Alice with a group and two maps of three transactions each. */
function written() {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "reader");
  const maps = [group.createMap(), group.createMap()] as const;
  for (const map of maps) for (let n = 0; n < 3; n++) map.set(`genuine${n}`, n, "trusting");
  return { alice, node: alice.core.node, group, forged: maps[0], sound: maps[1] };
}

type World = ReturnType<typeof written>;

const CHANGES = JSON.stringify([{ op: "set", key: "forged", value: "forged" }]);

/** What somebody could write to the disk who knows the content and not its author's secret: checksums are right, signatures are not. */
const FORGERIES: Readonly<Record<string, (content: Content) => Content>> = {
  "was changed": (content) => {
    const transaction = batchOf(content).newTransactions[1];
    Object.assign(transaction ?? {}, { changes: CHANGES });
    return content;
  },
  "was appended": (content) => {
    const { newTransactions } = batchOf(content);
    newTransactions.push({ privacy: "trusting", madeAt: Date.now(), changes: CHANGES } as never);
    return content;
  },
};

function batchOf(content: Content) {
  const [batch] = Object.values(content.new);
  if (!batch) throw new Error(`${content.id} has no transactions`);
  return batch;
}

async function storeForged(
  directory: string,
  { alice, node, group, forged, sound }: World,
  forge: (content: Content) => Content,
) {
  const storage = await openStorage(join(directory, "store"));
  for (const { id } of [alice, group, sound]) {
    for (const content of contentOf(node, id as RawCoID)) await storeDone(storage, content);
  }
  const [content] = contentOf(node, forged.id);
  if (!content) throw new Error("the map is empty");
  await storeDone(storage, forge(structuredClone(content)));
  await storage.close();
}

/** Everything that somebody hears who loads both maps and has nothing. */
async function heardBy(sprite: TestSprite, { forged, sound }: World): Promise<string> {
  const reader = await listen(sprite);
  for (const { id } of [forged, sound]) reader.send({ action: "load", id, header: false, sessions: {} });
  const answered = (id: string) => reader.of("content").some((content) => content.id === id);
  await until(() => answered(forged.id) && answered(sound.id), { what: "both maps" });
  return reader.heard.join("\n");
}

for (const [how, forge] of Object.entries(FORGERIES)) {
  test(`a transaction that ${how} on the disk is served to nobody; everything else is`, async () => {
    const world = written();
    const directory = temporaryDirectory();
    await storeForged(directory, world, forge);
    const sprite = await startSprite(world.group.id, { directory });
    const heard = await heardBy(sprite, world);
    expect(heard).toContain("genuine2");
    expect(heard).not.toContain("forged");
    expect((await loadFresh(sprite, world.forged.id)).keys()).toEqual([]);
    expect((await loadFresh(sprite, world.sound.id)).get("genuine2")).toBe(2);
  });

  test(`where a transaction ${how} on the disk, its author brings the genuine ones, in each life of the Sprite`, async () => {
    const world = written();
    const directory = temporaryDirectory();
    await storeForged(directory, world, forge);
    // The disk keeps the forged transaction: what the author brings is served for as long as the Sprite is awake.
    for (const life of [1, 2]) {
      const sprite = await startSprite(world.group.id, { directory });
      const author = await connect(world.node, sprite);
      world.forged.set(`life${life}`, life, "trusting");
      await world.node.syncManager.waitForSyncWithPeer(author.peerId, world.forged.id, 5_000);
      const loaded = await loadFresh(sprite, world.forged.id);
      expect(loaded.toJSON()).toEqual(world.forged.toJSON());
      expect(await heardBy(sprite, world)).not.toContain("forged");
      author.close();
      await sprite.sprite.close();
    }
  });
}
