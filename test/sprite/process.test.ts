import { join } from "node:path";
import { expect, test } from "vitest";
import { openPlace, restoreBackup } from "../../sprite/storage/backup/index.ts";
import { until } from "../support/until.ts";
import { MAIN, run, SINGLE, startProcess } from "./own-process.ts";
import { BUCKET, startS3 } from "./storage/backup/s3-server.ts";
import {
  asGroupId,
  connect,
  listen,
  loadFresh,
  newAccount,
  newGroup,
  PASS_SECRET,
  temporaryDirectory,
} from "./support.ts";

function writer() {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "reader");
  return { node: alice.core.node, group, map: group.createMap() };
}

test("After kill -9 at any moment, everything that was acknowledged is there", async () => {
  const { node, group, map } = writer();
  const data = temporaryDirectory();
  let acknowledged = 0;
  for (let round = 0; round < 4; round++) {
    const sprite = await startProcess(group.id, data);
    const { peerId } = await connect(node, sprite);
    const coSession = node.currentSessionID;
    const ackedCount = () => node.syncManager.peers[peerId]?.getKnownState(map.id)?.sessions[coSession] ?? 0;
    const before = acknowledged;
    for (let n = 0; n < 200; n++) map.set(`r${round}n${n}`, n, "trusting");
    await until(
      () => {
        acknowledged = Math.max(acknowledged, ackedCount());
        return acknowledged > before;
      },
      { what: "an acknowledgement" },
    );
    // In the middle of it: more writes are under way.
    for (let n = 200; n < 400; n++) map.set(`r${round}n${n}`, n, "trusting");
    acknowledged = Math.max(acknowledged, ackedCount());
    sprite.process.kill("SIGKILL");
    await sprite.exit;

    const again = await startProcess(group.id, data);
    const loaded = await loadFresh(again, map.id);
    expect(loaded.core.knownState().sessions[coSession]).toBeGreaterThanOrEqual(acknowledged);
    again.process.kill("SIGKILL");
    await again.exit;
  }
});

test("SIGTERM stops it in order: nothing that it received is lost, and it exits 0", async () => {
  const { node, group, map } = writer();
  const data = temporaryDirectory();
  const sprite = await startProcess(group.id, data);
  const { peerId } = await connect(node, sprite);
  const edge = await listen(sprite);
  for (let n = 0; n < 300; n++) map.set(`n${n}`, n, "trusting");
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 10_000);
  for (let n = 300; n < 310; n++) map.set(`n${n}`, n, "trusting");
  sprite.process.kill("SIGTERM");
  expect((await edge.closed)[0]).toBe(1012);
  expect(await sprite.exit).toBe(0);

  const again = await startProcess(group.id, data);
  const loaded = await loadFresh(again, map.id);
  expect(loaded.get("n299")).toBe(299);
});

test("Idle, it tells its sockets, exits 0 by itself, and starts again with all it had", async () => {
  const { node, group, map } = writer();
  const data = temporaryDirectory();
  const sprite = await startProcess(group.id, data, { SPRITE_SLEEP_AFTER: "1" });
  const { peerId } = await connect(node, sprite);
  const edge = await listen(sprite);
  map.set("colour", "blue", "trusting");
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  expect((await edge.closed)[0]).toBe(4900);
  expect(await sprite.exit).toBe(0);

  const again = await startProcess(group.id, data);
  expect((await loadFresh(again, map.id)).get("colour")).toBe("blue");
});

test("It backs itself up before it sleeps, to a bucket, and another Sprite starts from there with all it had", async () => {
  const { node, group, map } = writer();
  const data = temporaryDirectory();
  const aws = (await startS3()) as Record<string, string>;
  const place = `s3://${BUCKET}/sprites`;
  const settings = { SPRITE_BACKUP: place, SPRITE_SLEEP_AFTER: "1", ...aws };
  const sprite = await startProcess(group.id, data, settings);
  const { peerId } = await connect(node, sprite);
  map.set("colour", "blue", "trusting");
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  expect(await sprite.exit).toBe(0);
  expect(sprite.lines.filter((line) => line.includes('"backed up"'))).toHaveLength(1);

  const restored = temporaryDirectory();
  const bucket = await openPlace(place, aws);
  await restoreBackup(bucket, join(restored, "store"));
  await bucket.close();
  const again = await startProcess(group.id, restored, {
    SPRITE_BACKUP: "s3://no-such-bucket/at-all",
    ...aws,
  });
  expect((await loadFresh(again, map.id)).get("colour")).toBe("blue");
  // A last try when it is stopped, which fails, is no reason to fail.
  again.process.kill("SIGTERM");
  expect(await again.exit).toBe(0);
  const log = [...sprite.lines, ...again.lines].join("\n");
  expect(log).toContain("the backup failed");
  expect(log).not.toContain(aws.AWS_SECRET_ACCESS_KEY);
});

test("A process that is not told what it needs says all of it and exits 1", async () => {
  const running = run(MAIN, [], { SPRITE_HOME: "nobody", SPRITE_DURABILITY: "maybe" });
  expect(await running.exit).toBe(1);
  const said = running.lines.join("\n");
  for (const name of ["SPRITE_HOME", "PASS_KEYS", "SPRITE_DURABILITY"]) expect(said).toContain(name);
});

test("Its log names the Sprite and holds neither content nor secrets", async () => {
  const { node, group, map } = writer();
  const sprite = await startProcess(group.id, temporaryDirectory(), { LOG_LEVEL: "trace" });
  const { peerId } = await connect(node, sprite);
  const edge = await listen(sprite);
  map.set("colour", "a-very-private-value", "trusting");
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  for (const action of ["load", "done"]) edge.send({ action, id: "a-very-private-value" });
  await until(() => edge.of("error").length === 1);
  sprite.process.kill("SIGTERM");
  await sprite.exit;
  const log = sprite.lines.join("\n");
  expect(log).toContain("upstream opened");
  expect(log).not.toContain("a-very-private-value");
  expect(log).not.toContain(PASS_SECRET);
});

test("One process can hold all groups, for browsers that connect to it directly", async () => {
  const data = temporaryDirectory();
  const start = async () => {
    const running = run(SINGLE, ["--port", "0", "--data", data], {});
    const ready = await until(() => running.lines.find((line) => line.startsWith("ready ")), {
      what: "ready",
    });
    return { ...running, url: ready.slice("ready ".length) };
  };
  const server = await start();
  const one = writer();
  const two = writer();
  for (const { node, map } of [one, two]) {
    const { peerId } = await connect(node, { url: server.url, home: asGroupId(one.group.id) });
    map.set("colour", "blue", "trusting");
    await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  }
  server.process.kill("SIGTERM");
  expect(await server.exit).toBe(0);
  const again = await start();
  for (const { group, map } of [one, two]) {
    const loaded = await loadFresh({ url: again.url, home: asGroupId(group.id) }, map.id);
    expect(loaded.get("colour")).toBe("blue");
  }
});
