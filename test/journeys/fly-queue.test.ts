import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, startClient } from "../support/client.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";

describe("two edges that create groups at once under Fly's rate limits", () => {
  let stack: TestStack;
  const clients: Client[] = [];
  beforeAll(async () => {
    stack = await startTestStack({ edges: 2, flyLimits: true });
    for (const edge of [0, 1])
      clients.push(await startClient(stack.syncUrlOf(edge), { name: `at edge ${edge}` }));
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await stack?.close();
  });

  test("stand in one queue: every group is stored, and Fly has refused no call", async () => {
    const groups = clients.flatMap(({ node }) => [1, 2].map(() => node.createGroup()));
    await Promise.all(clients.map((client) => client.synced()));
    for (const group of groups) expect(stack.machineOf(group.id).state).toBe("started");
    expect(stack.lines.filter((line) => line.includes("Fly answered 429"))).toEqual([]);
  });
});
