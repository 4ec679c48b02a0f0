import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, startClient } from "../support/client.ts";
import { startTestStack, TEST_FLEET, type TestStack } from "../support/test-stack.ts";

// Fly Sprites are placed by their platform.
describe.skipIf(TEST_FLEET === "sprites")("a group whose first writer is in Tokyo", () => {
  let stack: TestStack;
  let writer: Client;
  beforeAll(async () => {
    const cf = { latitude: "35.68950", longitude: "139.69171", colo: "NRT" };
    stack = await startTestStack({ regions: ["fra", "iad", "sin", "nrt"], cf });
    writer = await startClient(stack.syncUrl, { name: "in Tokyo" });
  });
  afterAll(async () => {
    await writer?.close();
    await stack?.close();
  });

  test("lives in the nearest region that is allowed, and the edge's log says where", async () => {
    const group = writer.node.createGroup();
    await writer.synced();
    expect(stack.machineOf(group.id).region).toBe("nrt");
    const woken = stack.lines.find((line) => line.includes("Sprite woken") && line.includes(group.id));
    expect(woken).toContain('"region":"nrt"');
  });

  test("lives in the next nearest when that one is full", async () => {
    const full = { status: 400, body: { error: "no capacity" } };
    const inTokyo = (call: { body: unknown }) => (call.body as { region?: string }).region === "nrt";
    const refusal = stack.fleet.faults.api(
      "Volumes_create",
      { kind: "answer", answer: full },
      { when: inTokyo },
    );
    const group = writer.node.createGroup();
    await writer.synced();
    refusal.remove();
    expect(stack.machineOf(group.id).region).toBe("sin");
  });
});
