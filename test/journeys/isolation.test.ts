import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, startClient } from "../support/client.ts";
import { startTestStack, storedIds, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

describe("two groups on one socket", () => {
  let stack: TestStack;
  let client: Client;

  beforeAll(async () => {
    stack = await startTestStack();
    client = await startClient(stack.syncUrl);
  });
  afterAll(async () => {
    await client?.close();
    await stack?.close();
  });

  function team(title: string) {
    const group = client.node.createGroup();
    group.addMember("everyone", "writer");
    return { group, map: group.createMap({ title }) };
  }

  test("keep their values in two stores, each with its own values and their dependencies only", async () => {
    const [red, blue] = [team("red"), team("blue")];
    await client.synced();
    for (const [mine, other] of [
      [red, blue],
      [blue, red],
    ] as const) {
      const machine = stack.machineOf(mine.group.id);
      const ids = await storedIds(machine.volumeDir ?? "");
      expect(new Set(ids)).toEqual(new Set([mine.group.id, mine.map.id, client.accountID]));
      expect(ids).not.toContain(other.map.id);
    }
  });

  test("do not feel each other's Sprite die, while it is away and when it comes back", async () => {
    const [red, blue] = [team("red"), team("blue")];
    await client.synced();
    const observer = await startClient(stack.syncUrl);
    const [redCopy, blueCopy] = [await observer.load(red.map.id), await observer.load(blue.map.id)];
    stack.fleet.kill(stack.machineOf(red.group.id).id, "SIGSTOP");
    for (let n = 0; n < 20; n++) blue.map.set("n", n);
    await until(() => blueCopy.get("n") === 19, { what: "blue's traffic while red is paused" });
    red.map.set("n", "written while paused");
    stack.fleet.kill(stack.machineOf(red.group.id).id, "SIGKILL");
    await until(() => redCopy.get("n") === "written while paused", {
      what: "red's update after its Sprite came back",
    });
    expect([client.closures(), observer.closures()]).toEqual([0, 0]);
    await observer.close();
  });
});
