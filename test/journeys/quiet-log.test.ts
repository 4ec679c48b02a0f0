import { expect, onTestFinished, test } from "vitest";
import { startClient } from "../support/client.ts";
import { startTestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";

const EMPTY_LOAD = { action: "load", header: false, sessions: {} };

test("clients that leave, whatever their Sprites are doing, leave no ERROR in the log", async () => {
  const stack = await startTestStack({ sleepAfter: 1 });
  onTestFinished(() => stack.close());
  const ended = () => stack.lines.filter((line) => line.includes("session ended")).length;
  const writer = await startClient(stack.syncUrl);
  const groups = Array.from({ length: 6 }, () => writer.node.createGroup());
  for (const group of groups) group.createMap({ n: 1 });
  await writer.synced();

  // With open sockets to all of them.
  const reader = await openWire(stack.syncUrl);
  for (const { id } of groups) reader.send({ ...EMPTY_LOAD, id });
  for (const { id } of groups) await reader.next((message) => message.id === id, "what it asked for");
  await reader.close();
  await writer.close();
  await until(() => ended() === 2, { what: "both sessions ending" });
  await stack.allAsleep();

  // While they are woken.
  const hasty = await openWire(stack.syncUrl);
  for (const { id } of groups) hasty.send({ ...EMPTY_LOAD, id });
  await until(() => stack.fleet.machines().some(({ state }) => state !== "stopped"), { what: "a wake" });
  await hasty.close();
  await until(() => ended() === 3, { what: "its session ending" });
  await stack.allAsleep();

  // While they sleep under it.
  const follower = await openWire(stack.syncUrl);
  for (const { id } of groups) follower.send({ ...EMPTY_LOAD, id });
  for (const { id } of groups) await follower.next((message) => message.id === id, "what it asked for");
  await stack.allAsleep();
  await follower.close();
  await until(() => ended() === 4, { what: "its session ending" });
  expect(stack.errors).toEqual([]);
});
