import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, startClient } from "../support/client.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";

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
    const starts = () => stack.lines.filter((line) => /^machine .* starting /.test(line)).length;
    const before = starts();
    // A fresh socket's third ping: several ticks of every session and more than twice the time to fall asleep.
    const wire = await openWire(stack.syncUrl);
    await until(() => wire.received.filter(({ type }) => type === "ping").length >= 3, {
      what: "three pings",
    });
    await wire.close();
    expect(starts()).toBe(before);
    expect([author, ...listeners].map((each) => each.closures())).toEqual([0, 0, 0, 0]);
  });
});
