import type { RawCoMap } from "cojson";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { digestMessage } from "../../shared/digest.ts";
import { asHome, type CoValueId, type GroupId } from "../../shared/ids.ts";
import { PASS_HEADER, type PassKeys, parsePassKeys, signPass, signSpritePass } from "../../shared/pass.ts";
import { type Client, startClient } from "../support/client.ts";
import { type Guest, startGuest } from "../support/guest.ts";
import { startTestStack, TEST_FLEET, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire, type Wire } from "../support/wire.ts";

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

/** For a hundred clients on a computer that does much else. A limit for broken code, not a pause. */
const SLOW_COMPUTER = { timeoutMs: 90_000 };

const OTHER_KEYS = parsePassKeys("a-secret-that-is-not-the-one-of-this-edge-0123456789");
const DIGEST = digestMessage({ was: undefined, is: "mark", values: "" });
type Sign = (home: GroupId, keys: PassKeys) => Promise<string>;
const nobody: Sign = async () => "";
const stranger: Sign = (home) => signSpritePass(home, OTHER_KEYS);
const session: Sign = (home, keys) => signPass({ home, session: "s" }, keys);

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

/** Waits while every session ticks `count` times. */
async function pings(clock: Wire, count: number): Promise<void> {
  const enough = clock.received.length + count;
  await until(() => clock.received.length >= enough, { what: `${count} pings`, ...SLOW_COMPUTER });
}

/**
 * Waits until everybody sleeps and has heard so. Who hears of it late, on a slow computer, looks after the Sprite once more,
 * and so wakes it.
 */
async function silence(stack: TestStack, clock: Wire): Promise<void> {
  await until(
    async () => {
      await stack.allAsleep(SLOW_COMPUTER);
      const before = startsOf(stack);
      await pings(clock, 1);
      return startsOf(stack) === before;
    },
    { what: "silence", ...SLOW_COMPUTER },
  );
}

describe("a Sprite that has nothing to do", () => {
  let stack: TestStack;
  let clients: Pick<Client, "close">[] = [];
  const client = async (name: string) => {
    const started = await startClient(stack.syncUrl, { name });
    clients.push(started);
    return started;
  };

  beforeAll(async () => {
    stack = await startTestStack({ sleepAfter: 1 });
  });
  // Who stays would come back after the deploy, too, and wake Sprites of which no browser saw the end.
  afterEach(async () => {
    await Promise.all(clients.map((each) => each.close()));
    clients = [];
  });
  afterAll(() => stack?.close());

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

  // A Fly Sprite that nobody is connected to is paused by its platform, here before it falls asleep: then it leaves no word.
  const onMachines = test.skipIf(TEST_FLEET === "sprites");
  onMachines(
    "stays asleep when its only client has left and comes back with nothing new; what it writes then wakes it",
    async () => {
      const author = await client("author");
      const group = author.node.createGroup();
      const map = group.createMap({ n: 0 });
      await author.synced();
      author.disconnect();
      await stack.allAsleep();
      const starts = startsOf(stack);
      author.connect();
      // It asks by hand for what the client asks for, too, so that its answer can be seen.
      const wire = await openWire(stack.syncUrl);
      clients.push(wire);
      for (const { core } of [group, map]) {
        const { id, header, sessions } = core.knownState();
        wire.send({ action: "load", id, header, sessions });
        const answer = await wire.next(
          (message) => message.action === "known" && message.id === id,
          "an answer",
        );
        expect(answer).toMatchObject({ header, sessions });
      }
      await pings(wire, 2);
      expect(startsOf(stack)).toBe(starts);
      map.set("n", 1);
      await author.synced();
      expect(startsOf(stack)).toBe(starts + 1);
      const reader = await client("reader");
      group.addMember("everyone", "reader");
      await author.synced();
      expect((await reader.load(map.id)).toJSON()).toEqual({ n: 1 });
    },
  );

  test.each<[string, Sign, string, string, number]>([
    ["no pass", nobody, "boot=b1", DIGEST, 401],
    ["the pass of another deployment", stranger, "boot=b1", DIGEST, 401],
    ["the pass of a session", session, "boot=b1", DIGEST, 401],
    ["what is no digest", signSpritePass, "boot=b1", '{"type":"digest","is":1}', 400],
    ["a digest without a boot", signSpritePass, "", DIGEST, 400],
    ["a period that nobody has met", signSpritePass, "boot=b1", DIGEST, 204],
  ])("its last word with %s changes nothing", async (_, sign, query, body, status) => {
    const home = asHome("co_zWy9xvTnzH1CLGzXKNLCJh4cvLN" as CoValueId);
    const headers = { [PASS_HEADER]: await sign(home, parsePassKeys(stack.passKeys)) };
    const answer = await fetch(`${stack.pageUrl}last-word?${query}`, { method: "POST", headers, body });
    expect(answer.status).toBe(status);
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

  test("stays asleep when all clients come back after a deploy of the edge, and they still hear of everything", async () => {
    const clients = await Promise.all([1, 2, 3].map((n) => client(`tab ${n}`)));
    const [author, ...readers] = clients;
    if (!author) throw new Error("no author");
    const maps = [1, 2].map(() => {
      const group = author.node.createGroup();
      group.addMember("everyone", "writer");
      return group.createMap({ n: 0 });
    });
    await author.synced();
    const copies = await Promise.all(readers.flatMap((reader) => maps.map(({ id }) => reader.load(id))));
    await Promise.all(clients.map((each) => each.synced()));
    const clock = await openWire(stack.syncUrl);
    await silence(stack, clock);
    const starts = startsOf(stack);
    await stack.restartEdge();
    await until(() => clients.every((each) => each.closures() > 0), { what: "all sockets being gone" });
    // A tab that has all of it asks by hand, so that its answer can be seen.
    const wire = await openWire(stack.syncUrl);
    for (const map of maps) {
      const { header, sessions } = map.core.knownState();
      wire.send({ action: "load", id: map.id, header, sessions });
      const answer = await wire.next(({ action, id }) => action === "known" && id === map.id, "an answer");
      expect(answer).toMatchObject({ header, sessions });
    }
    await pings(wire, 2);
    await wire.close();
    expect(startsOf(stack)).toBe(starts);
    const closures = clients.map((each) => each.closures());
    maps[0]?.set("n", 1);
    await until(() => copies.filter((copy) => copy.get("n") === 1).length === readers.length, {
      what: "the change at every reader",
    });
    expect(clients.map((each) => each.closures())).toEqual(closures);
  }, 60_000);

  test("is gone under 100 open, silent clients and stays gone; one keystroke of any of them reaches the other 99", async () => {
    const [one, two] = [await client("one of a hundred"), await client("another")];
    const group = one.node.createGroup();
    group.addMember("everyone", "writer");
    const map = group.createMap({ n: 0 });
    await one.synced();
    // Each client loads all that is there before the next comes: what is tested is how they are silent, not how they arrive.
    const guests: Guest[] = [];
    const copies = [await two.load(map.id)];
    try {
      while (guests.length < 98) {
        const guest = await startGuest(stack.syncUrl);
        guests.push(guest);
        copies.push(await guest.load(map.id));
      }
      const sprite = stack.machineOf(group.id).name;
      const type = async (n: number, keyboard: RawCoMap | undefined) => {
        const before = startsOf(stack, sprite);
        keyboard?.set("n", n);
        await until(() => [map, ...copies].every((copy) => copy.get("n") === n), {
          what: `keystroke ${n} at all 100`,
          ...SLOW_COMPUTER,
        });
        // It found nobody awake.
        expect(startsOf(stack, sprite)).toBeGreaterThan(before);
      };
      // Hears pings and asks for nothing.
      const clock = await openWire(stack.syncUrl);
      clients.push(clock);
      await silence(stack, clock);
      const calls = countFleetCalls(stack);
      const starts = startsOf(stack);
      await pings(clock, 2);
      expect([startsOf(stack), calls()]).toEqual([starts, 0]);
      expect(stack.fleet.machines().filter(({ state }) => state === "started")).toEqual([]);
      // A Fly Sprite's process is frozen instead.
      if (TEST_FLEET === "machines") expect(stack.fleet.machines().filter(({ pid }) => pid)).toEqual([]);
      await type(1, map);
      await stack.allAsleep(SLOW_COMPUTER);
      await type(2, copies.at(-1));
      expect([one, two, ...guests].map((each) => each.closures())).toEqual(Array(100).fill(0));
    } finally {
      stack.fleet.faults.clear();
      await Promise.all(guests.map((guest) => guest.close()));
    }
  }, 240_000);
});
