import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, startClient } from "../support/client.ts";
import { type Guest, startGuest } from "../support/guest.ts";
import { startTestStack, TEST_FLEET, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";

/** Every call that the edge may make of its fleet's API, and of Sprites' addresses outside of a session. */
const FLEET_CALLS = [
  "listSprites",
  "createSprite",
  "getSprite",
  "writeFile",
  "exec",
  "getService",
  "putService",
  "restartService",
  "Machines_list",
  "Machines_create",
  "Machines_show",
  "Machines_start",
  "Machines_wait",
  "Machines_stop",
  "Machines_suspend",
  "Machines_update",
  "Machines_delete",
  "Volumes_list",
  "Volumes_create",
  "Volumes_get_by_id",
] as const;

/** Counts the fleet's calls from now on; each is done as it would be without. */
function countFleetCalls(stack: TestStack): () => number {
  const handles = FLEET_CALLS.map((call) =>
    stack.fleet.faults.api(call, { kind: "hold", until: Promise.resolve() }),
  );
  return () => handles.reduce((sum, { hits }) => sum + hits, 0);
}

/** How often a Sprite was started or woken: one of them, or any. */
function startsOf(stack: TestStack, sprite = ""): number {
  return stack.lines.filter((line) => line.startsWith(`machine ${sprite}`) && / started /.test(line)).length;
}

/** Waits while every session ticks several times: three pings of a fresh socket take longer than falling asleep. */
async function someTime(stack: TestStack): Promise<void> {
  const wire = await openWire(stack.syncUrl);
  await until(() => wire.received.filter(({ type }) => type === "ping").length >= 3, { what: "three pings" });
  await wire.close();
}

describe("a Sprite that has nothing to do", () => {
  let stack: TestStack;
  const clients: Client[] = [];
  const client = async (name: string) => {
    const started = await startClient(stack.syncUrl, { name });
    clients.push(started);
    return started;
  };

  beforeAll(async () => {
    stack = await startTestStack({ sleepAfter: 1 });
  });
  afterAll(async () => {
    await Promise.all(clients.map((each) => each.close()));
    await stack?.close();
  });

  test("is gone when its last client has left, and wakes for the next load", async () => {
    const author = await client("author");
    const group = author.node.createGroup();
    group.addMember("everyone", "reader");
    const map = group.createMap({ title: "kept" });
    await author.synced();
    await author.close();
    await stack.asleep(group.id);
    const reader = await client("reader");
    expect((await reader.load(map.id)).toJSON()).toEqual({ title: "kept" });
    expect(stack.machineOf(group.id).state).toBe("started");
  });

  test("sleeps under open browsers, and what one of them writes wakes it and reaches the others", async () => {
    const writer = await client("writer");
    const group = writer.node.createGroup();
    group.addMember("everyone", "writer");
    const map = group.createMap({ n: 0 });
    await writer.synced();
    const readers = await Promise.all([client("r1"), client("r2")]);
    const copies = await Promise.all(readers.map((reader) => reader.load(map.id)));
    for (let round = 1; round <= 3; round++) {
      await stack.asleep(group.id);
      map.set("n", round);
      await until(() => copies.every((copy) => copy.get("n") === round), {
        what: `round ${round} at every reader`,
      });
      await writer.synced();
    }
    for (const each of [writer, ...readers]) expect(each.closures()).toBe(0);
  });

  test("stays asleep while clients are connected and silent", async () => {
    const author = await client("author of silence");
    const group = author.node.createGroup();
    group.addMember("everyone", "reader");
    const map = group.createMap({ quiet: true });
    await author.synced();
    const listeners = await Promise.all([client("l1"), client("l2"), client("l3")]);
    for (const listener of listeners) await listener.load(map.id);
    await stack.allAsleep();
    const before = startsOf(stack);
    await someTime(stack);
    expect(startsOf(stack)).toBe(before);
    expect([author, ...listeners].map((each) => each.closures())).toEqual([0, 0, 0, 0]);
  });

  test("is gone under 100 open, silent clients and stays gone; one keystroke of any of them reaches the other 99", async () => {
    const [one, two] = [await client("one of a hundred"), await client("another")];
    const group = one.node.createGroup();
    group.addMember("everyone", "writer");
    const map = group.createMap({ n: 0 });
    await one.synced();
    const guests: Guest[] = [];
    try {
      // One after the other: what is tested is how they are silent, not how they arrive.
      for (let n = 0; n < 98; n++) guests.push(await startGuest(stack.syncUrl));
      const copies = await Promise.all([two, ...guests].map((each) => each.load(map.id)));
      const seeAll = async (n: number) =>
        until(() => [map, ...copies].every((copy) => copy.get("n") === n), { what: `${n} at all 100` });
      const calls = countFleetCalls(stack);
      const sprite = stack.machineOf(group.id).name;
      for (const [n, writer] of [
        [1, map],
        [2, copies[0]],
      ] as const) {
        await stack.allAsleep();
        const [starts, ownStarts, callsBefore] = [startsOf(stack), startsOf(stack, sprite), calls()];
        await someTime(stack);
        expect([startsOf(stack), calls()]).toEqual([starts, callsBefore]);
        expect(stack.fleet.machines().filter(({ state }) => state === "started")).toEqual([]);
        // A Fly Sprite's process is frozen instead.
        if (TEST_FLEET === "machines") expect(stack.fleet.machines().filter(({ pid }) => pid)).toEqual([]);
        writer?.set("n", n);
        await seeAll(n);
        // The keystroke found nobody awake.
        expect(startsOf(stack, sprite)).toBeGreaterThan(ownStarts);
      }
      expect([one, two, ...guests].filter((each) => each.closures() > 0)).toEqual([]);
    } finally {
      stack.fleet.faults.clear();
      await Promise.all(guests.map((guest) => guest.close()));
    }
  }, 90_000);
});
