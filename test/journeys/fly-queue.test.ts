import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { asHome } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { type Client, startClient } from "../support/client.ts";
import { contentOf, idOf, newNode } from "../support/real-values.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";

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

  test("give a client with one group its turn before another's many groups have all had theirs", async () => {
    const MANY = 16;
    const [many, one] = await Promise.all([newNode(), newNode()]);
    const account = ({ node, accountID }: typeof many) => ({
      id: accountID,
      core: node.expectCoValueLoaded(accountID),
    });
    const groups = [account(many), ...Array.from({ length: MANY }, () => many.node.createGroup())];
    const made = () => new Set(stack.fleet.machines().map(({ name }) => name));
    const hasSprite = (value: { id: string }) => made().has(spriteNameOf(asHome(idOf(value))));

    const first = await openWire(stack.syncUrlOf(0), { "CF-Connecting-IP": "192.0.2.1" });
    for (const value of groups) for (const text of contentOf(value)) first.sendRaw(text);
    await until(() => hasSprite(account(many)), { what: "the first Sprite of many" });
    const second = await openWire(stack.syncUrlOf(1), { "CF-Connecting-IP": "192.0.2.2" });
    for (const text of contentOf(account(one))) second.sendRaw(text);
    await until(() => hasSprite(account(one)), { what: "the one Sprite", timeoutMs: 60_000 });
    expect(groups.filter(hasSprite).length).toBeLessThan(MANY);
    await until(() => groups.every(hasSprite), { what: "all Sprites", timeoutMs: 90_000 });
    await Promise.all([first.close(), second.close()]);
  }, 180_000);
});
