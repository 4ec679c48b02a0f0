import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import type { SpritesHost } from "../../dev/fleet/index.ts";
import type { GroupId } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { type Client, startClient } from "../support/client.ts";
import { startTestStack, TEST_FLEET, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

/** These take long, and `npm test` has their parts in test/fleet and test/sprite. */
const BRIEF = TEST_FLEET !== "sprites";

/** What only Fly Sprites do, with everything real but the platform. The other journeys: `npm run test:sprites`. */
describe("on Fly Sprites", { timeout: 60_000 }, () => {
  let stack: TestStack;
  let host: SpritesHost;
  let clients: Client[] = [];
  beforeAll(async () => {
    // As on the platform, there is time enough for the next process to start before the pause.
    stack = await startTestStack({ platform: "sprites", sleepAfter: 1, pauseAfterMs: 2_500 });
    host = stack.fleet as SpritesHost;
  });
  afterEach(async () => {
    await Promise.all(clients.map((each) => each.close()));
    clients = [];
  });
  afterAll(() => stack?.close());

  const client = async () => {
    const started = await startClient(stack.syncUrl);
    clients.push(started);
    return started;
  };
  const local = (home: string) => {
    const found = host.sprites().find(({ name }) => name === spriteNameOf(home as GroupId));
    if (!found) throw new Error(`${home} has no Sprite`);
    return found;
  };
  /** A client with a map in a group of its own, and another client that follows it. */
  const pair = async () => {
    const writer = await client();
    const group = writer.node.createGroup();
    group.addMember("everyone", "writer");
    const map = group.createMap({ n: 0 });
    await writer.synced();
    const reader = await client();
    const copy = await reader.load(map.id);
    const arrives = async (n: number | string) => {
      map.set("n", n);
      await until(() => copy.get("n") === n, { what: `${n} at the reader`, timeoutMs: 25_000 });
      await writer.synced();
    };
    return { writer, reader, home: group.id as string, map, arrives };
  };
  const said = (text: string) => stack.lines.filter((line) => line.includes(text)).length;

  test("it sleeps frozen, with its memory, under open browsers; a change wakes it, warm and cold", async () => {
    const { writer, reader, home, arrives } = await pair();
    await stack.asleep(home);
    const { pid } = stack.machineOf(home);
    expect([local(home).status, pid !== undefined]).toEqual(["warm", true]);
    await arrives(1);
    // The process that was frozen had never been visited: it is the one that answers.
    expect(stack.machineOf(home).pid).toBe(pid);
    await stack.asleep(home);
    await local(home).pause("cold");
    expect(stack.machineOf(home).pid).toBeUndefined();
    await arrives(2);
    expect([writer.closures(), reader.closures()]).toEqual([0, 0]);
  });

  test.skipIf(BRIEF)(
    "paused in the middle of its work, it goes on: no connection survives, and nobody notices",
    async () => {
      const { writer, reader, home, arrives } = await pair();
      await arrives("before");
      await local(home).pause("warm");
      await arrives("after a warm pause");
      await local(home).pause("cold");
      await arrives("after a cold one");
      expect([writer.closures(), reader.closures()]).toEqual([0, 0]);
    },
  );

  test.skipIf(BRIEF)(
    "its first process is killed right after a cold start: the second one serves",
    async () => {
      const { home, arrives } = await pair();
      await stack.asleep(home);
      await local(home).pause("cold");
      const sent = arrives("through it all");
      await until(() => stack.machineOf(home).pid !== undefined, { what: "the first process" });
      host.kill(stack.machineOf(home).id, "SIGKILL");
      await sent;
    },
  );

  // Asleep: then the address that the edge remembers leads for sure to the empty one, where visitors wait for ever.
  test.for(BRIEF ? ["asleep"] : ["asleep", "awake"])(
    "its id changed while it was %s: an empty Sprite has its name, and the browsers that are open fill it again",
    async (state) => {
      const { writer, reader, home, map, arrives } = await pair();
      await arrives("on the old one");
      if (state === "asleep") await stack.asleep(home);
      const { id, name } = local(home).state;
      const api = `${host.apiUrl}/v1/sprites`;
      const headers = { authorization: `Bearer ${host.token}`, "content-type": "application/json" };
      await fetch(`${api}/${name}`, { method: "DELETE", headers });
      await fetch(api, { method: "POST", headers, body: JSON.stringify({ name }) });
      await arrives("on the new one");
      expect(local(home).state.id).not.toBe(id);
      const fresh = await client();
      expect((await fresh.load(map.id)).toJSON()).toEqual({ n: "on the new one" });
      expect([writer.closures(), reader.closures()]).toEqual([0, 0]);
    },
  );

  test("at the plan's running cap a new group waits and has not failed; the one that is idle makes room", async () => {
    const { home, arrives } = await pair();
    const writer = clients[0];
    await stack.allAsleep();
    await arrives("awake");
    host.plan.running = 0;
    try {
      const group = writer?.node.createGroup();
      const map = group?.createMap({ waits: true });
      const health = async () =>
        (await (await fetch(`${stack.pageUrl}health/fleet`)).json()) as { waiting: { capacity: number } };
      await until(async () => (await health()).waiting.capacity > 0, { what: "the group in the line" });
      expect(said("the group waits for its fleet; it has not failed")).toBeGreaterThan(0);
      host.plan.running = 100;
      await writer?.synced();
      expect(local(group?.id ?? "").status).toBe("running");
      expect(map?.get("waits")).toBe(true);
      await until(async () => (await health()).waiting.capacity === 0, { what: "an empty line" });
      expect(said("it got its Sprite")).toBeGreaterThan(0);
    } finally {
      host.plan.running = 100;
    }
    expect(local(home).state.name).toBe(spriteNameOf(home as GroupId));
  });

  test.skipIf(BRIEF)(
    "the hello tells an old version: the server is replaced under open browsers, and nothing is lost",
    async () => {
      const { map, arrives, home } = await pair();
      await arrives("old");
      const definition = () => local(home).httpService?.definition.env ?? {};
      const before = definition().SPRITE_SETUP;
      await stack.restartEdge({ SPRITE_DURABILITY: "fsync" });
      await arrives("under another edge");
      // A period that the edge has met before is no news to anybody: the next one tells.
      await stack.asleep(home);
      await arrives("in the next period");
      await until(() => definition().SPRITE_SETUP !== before, { what: "the new setup" });
      await arrives("new");
      expect(definition().SPRITE_DURABILITY).toBe("fsync");
      await until(() => said("the Sprite ran another version") > 0, { what: "the log's line" });
      const fresh = await client();
      expect((await fresh.load(map.id)).toJSON()).toEqual({ n: "new" });
    },
  );
});
