import { rmSync } from "node:fs";
import { join } from "node:path";
import type { RawCoMap } from "cojson";
import { expect, onTestFinished, test } from "vitest";
import type { GroupId } from "../../../shared/ids.ts";
import { SPRITE_BUNDLE } from "../../support/sprite-bundle.ts";
import { until } from "../../support/until.ts";
import { SpriteProcess } from "../crash/sprite-process.ts";
import {
  asGroupId,
  connect,
  dial,
  listen,
  loadFresh,
  newAccount,
  newGroup,
  PASS_SECRET,
  startSprite,
} from "../support.ts";
import { failingDisk, fillDisk, NO_MOUNT, remount, smallDisk } from "./small-disk.ts";

const VALUE = "x".repeat(40_000);

interface Running {
  readonly process: SpriteProcess;
  readonly home: GroupId;
  readonly url: string;
  health(): ReturnType<typeof healthOf>;
}

/** A client with a map on a real Sprite process, whose store is on `disk`. */
function clientOf(disk: string) {
  const alice = newAccount();
  const { node } = alice.core;
  const group = newGroup(alice);
  group.addMember("everyone", "reader");
  const map: RawCoMap = group.createMap();
  const home = asGroupId(group.id);
  let written = 0;
  return {
    node,
    map,
    get written() {
      return written;
    },
    write: () => map.set(`key${written++}`, VALUE, "trusting"),
    async start(sleepAfter = 0): Promise<Running> {
      const process = new SpriteProcess({
        bundle: SPRITE_BUNDLE,
        home,
        data: join(disk, "store"),
        durability: "fsync",
        passKeys: PASS_SECRET,
        sleepAfter,
      });
      onTestFinished(() => process.kill());
      const port = await process.port;
      return { process, home, url: `ws://127.0.0.1:${port}/sync`, health: () => healthOf(port) };
    },
    /** Hangs up with what is on its way; what the Sprite acknowledged to this socket, and a wait for all of it. */
    async connect(sprite: Running) {
      const { peerId, close } = await connect(node, sprite);
      const acknowledged = () =>
        node.syncManager.peers[peerId]?.getKnownState(map.id)?.sessions[node.currentSessionID] ?? 0;
      return {
        close,
        acknowledged,
        synced: () => until(() => acknowledged() === written, { what: "all being acknowledged" }),
      };
    },
  };
}

async function healthOf(port: number) {
  const response = await fetch(`http://127.0.0.1:${port}/healthz`);
  return { code: response.status, ...((await response.json()) as { status: string; storage: string }) };
}

/** All that was acknowledged is served, and what is written now is acknowledged. */
async function servesAll(sprite: Running, client: ReturnType<typeof clientOf>): Promise<void> {
  const loaded = await loadFresh(sprite, client.map.id);
  expect(Object.keys(loaded.toJSON() ?? {})).toHaveLength(client.written);
  const upstream = await client.connect(sprite);
  client.write();
  await upstream.synced();
}

/** What an upgrade is answered in place of a socket. */
async function refusalOf(sprite: Parameters<typeof dial>[0]): Promise<string> {
  const socket = await dial(sprite);
  return new Promise((resolve, reject) => {
    socket.once("open", () => reject(new Error("the Sprite took the socket")));
    socket.on("error", reject);
    socket.once("unexpected-response", (_, response) => {
      response.setEncoding("utf8");
      response.once("data", (body) => resolve(`${response.statusCode} ${String(body)}`));
    });
  });
}

/**
 * What a Sprite does whose storage does not open: says why, lives on, and sleeps although somebody asks all the time. The
 * one after it tries again.
 */
async function refusesUntilAsleep({ process, health, ...sprite }: Running, reason: RegExp): Promise<void> {
  expect(await refusalOf(sprite)).toMatch(/^503 storage-failed: /);
  expect(await health()).toEqual({ code: 503, status: "storage-failed", storage: "failed" });
  expect(process.lastWords).toMatch(reason);
  const isGone = async () => !(process.isRunning && (await refusalOf(sprite).catch(() => "")));
  await until(isGone, { what: "the Sprite going to sleep" });
  expect((await process.exit).code).toBe(0);
}

test("on a full disk a Sprite acknowledges nothing, says so and serves; with space again it stores all that waited", async ({
  skip,
}) => {
  const disk = smallDisk(48);
  if (disk === undefined) return skip(NO_MOUNT);
  const client = clientOf(disk);
  const sprite = await client.start();
  const upstream = await client.connect(sprite);
  for (let n = 0; n < 10; n++) client.write();
  await upstream.synced();
  expect(await sprite.health()).toEqual({ code: 200, status: "open", storage: "ok" });

  const ballast = fillDisk(disk);
  await until(
    async () => {
      // RocksDB has some room in the log that it preallocated.
      client.write();
      return (await sprite.health()).storage === "failed";
    },
    { what: "the Sprite noticing that its disk is full" },
  );
  expect(await sprite.health()).toEqual({ code: 503, status: "open", storage: "failed" });
  const acknowledged = upstream.acknowledged();
  for (let n = 0; n < 10; n++) client.write();
  const loaded = await loadFresh(sprite, client.map.id);
  for (let n = 0; n < acknowledged; n++) expect(loaded.get(`key${n}`)).toBe(VALUE);
  // Another client comes and goes meanwhile, and the same one with what it has.
  upstream.close();
  const again = await client.connect(sprite);
  expect(again.acknowledged()).toBeLessThanOrEqual(acknowledged);

  rmSync(ballast);
  await again.synced();
  expect(await sprite.health()).toEqual({ code: 200, status: "open", storage: "ok" });
  await sprite.process.kill();
  const restarted = await loadFresh(await client.start(), client.map.id);
  expect(Object.keys(restarted.toJSON() ?? {})).toHaveLength(client.written);
});

test("a Sprite that starts on a full disk refuses with the reason, and sleeps; with space again it has all it had", async ({
  skip,
}) => {
  const disk = smallDisk(48);
  if (disk === undefined) return skip(NO_MOUNT);
  const client = clientOf(disk);
  const first = await client.start();
  const upstream = await client.connect(first);
  for (let n = 0; n < 10; n++) client.write();
  await upstream.synced();
  const ballast = fillDisk(disk);
  await first.process.kill();
  await refusesUntilAsleep(await client.start(1), /the storage does not open: .*No space/);

  rmSync(ballast);
  await servesAll(await client.start(), client);
});

test("a Sprite that starts on a read-only disk refuses with the reason, and sleeps; once it takes writes it has all it had", async ({
  skip,
}) => {
  const disk = smallDisk(48);
  if (disk === undefined) return skip(NO_MOUNT);
  const client = clientOf(disk);
  const first = await client.start();
  for (let n = 0; n < 10; n++) client.write();
  await (await client.connect(first)).synced();
  await first.process.kill();
  remount(disk, "ro");
  await refusesUntilAsleep(await client.start(1), /the storage does not open: .*[Rr]ead-only/);

  remount(disk, "rw");
  await servesAll(await client.start(), client);
});

for (const { how, spoil, mend } of [
  { how: "full", spoil: fillDisk, mend: (disk: string) => rmSync(join(disk, "ballast")) },
  {
    how: "read-only",
    spoil: (disk: string) => remount(disk, "ro"),
    mend: (disk: string) => remount(disk, "rw"),
  },
]) {
  test(`a Sprite that starts on a ${how} disk opens its store by itself once that can be done, with all it had`, async ({
    skip,
  }) => {
    const disk = smallDisk(48);
    if (disk === undefined) return skip(NO_MOUNT);
    const client = clientOf(disk);
    const first = await client.start();
    for (let n = 0; n < 10; n++) client.write();
    await (await client.connect(first)).synced();
    await first.process.kill();
    spoil(disk);
    const sprite = await client.start();
    expect(await refusalOf(sprite)).toMatch(/^503 storage-failed: /);
    const reasons = () => sprite.process.lastWords.split("\n").filter((line) => /does not open/.test(line));
    expect(reasons()).toHaveLength(1);

    mend(disk);
    await until(async () => (await sprite.health()).code === 200, { what: "the storage opening" });
    expect(await sprite.health()).toEqual({ code: 200, status: "open", storage: "ok" });
    await servesAll(sprite, client);
    expect(reasons()).toHaveLength(1);
  });
}

test("who is attached hears when the disk begins to fail and when it ends, whoever comes meanwhile hears it first", async ({
  skip,
}) => {
  const disk = smallDisk(48);
  if (disk === undefined) return skip(NO_MOUNT);
  const client = clientOf(disk);
  const sprite = await client.start();
  const edge = await listen(sprite);
  const writer = await client.connect(sprite);
  const ok = { type: "storage", home: sprite.home, state: "ok" };
  const failed = { type: "error", code: "storage-failed", home: sprite.home };
  await until(() => edge.of("storage").length === 1, { what: "the state of the disk" });
  expect(edge.of("storage")).toEqual([ok]);

  const ballast = fillDisk(disk);
  await until(
    () => {
      client.write();
      return edge.of("error").length > 0;
    },
    { what: "word of the full disk" },
  );
  expect(edge.of("error")).toEqual([expect.objectContaining(failed)]);
  const late = await listen(sprite);
  await until(() => late.heard.length >= 3, { what: "a hello, the state of the disk and a ping" });
  expect(JSON.parse(late.heard[1] ?? "")).toMatchObject(failed);
  expect(writer.acknowledged()).toBeLessThan(client.written);

  // The writer stays connected, and does nothing more.
  rmSync(ballast);
  await writer.synced();
  await until(() => edge.of("storage").length === 2 && late.of("storage").length === 1, { what: "the end" });
  expect([...edge.of("storage"), ...late.of("storage")]).toEqual([ok, ok, ok]);
  expect(edge.of("error")).toHaveLength(1);
  await sprite.process.kill();
  const restarted = await loadFresh(await client.start(), client.map.id);
  expect(Object.keys(restarted.toJSON() ?? {})).toHaveLength(client.written);
});

test("a Sprite does not say that it sleeps while its disk fails and something is not stored: it says that it restarts", async ({
  skip,
}) => {
  const disk = smallDisk(48);
  if (disk === undefined) return skip(NO_MOUNT);
  const alice = newAccount();
  const group = newGroup(alice);
  const map: RawCoMap = group.createMap();
  const sprite = await startSprite(group.id, { directory: disk, sleepAfterMs: 1_000, lostStoreMs: 500 });
  const edge = await listen(sprite);
  await connect(alice.core.node, sprite);
  fillDisk(disk);
  let written = 0;
  await until(
    () => {
      map.set(`key${written++}`, VALUE, "trusting");
      return edge.of("error").length > 0;
    },
    { what: "word of the full disk" },
  );
  expect(await edge.closed).toEqual([1012, sprite.sprite.boot]);
  rmSync(join(disk, "ballast"));
});

test("a Sprite that starts on a read-only disk without a store on it refuses with the reason", async ({
  skip,
}) => {
  const disk = smallDisk(8);
  if (disk === undefined) return skip(NO_MOUNT);
  remount(disk, "ro");
  await refusesUntilAsleep(await clientOf(disk).start(1), /the storage does not open: /);
});

test("when its disk becomes read-only, a Sprite acknowledges nothing more, says so and serves; after a restart all is there", async ({
  skip,
}) => {
  const disk = failingDisk(64);
  if (disk === undefined) return skip(NO_MOUNT);
  const client = clientOf(disk.directory);
  const sprite = await client.start();
  const upstream = await client.connect(sprite);
  for (let n = 0; n < 10; n++) client.write();
  await upstream.synced();

  disk.fail();
  for (let n = 0; n < 5; n++) client.write();
  await until(async () => (await sprite.health()).storage === "failed", { what: "the Sprite noticing" });
  expect(await sprite.health()).toEqual({ code: 503, status: "open", storage: "failed" });
  expect(upstream.acknowledged()).toBe(10);
  expect((await loadFresh(sprite, client.map.id)).get("key9")).toBe(VALUE);
  expect(upstream.acknowledged()).toBe(10);
  upstream.close();
  await sprite.process.kill();
  disk.replug();

  const restarted = await client.start();
  expect((await loadFresh(restarted, client.map.id)).get("key9")).toBe(VALUE);
  await (await client.connect(restarted)).synced();
  await restarted.process.kill();
  const last = await loadFresh(await client.start(), client.map.id);
  expect(Object.keys(last.toJSON() ?? {})).toHaveLength(client.written);
});
