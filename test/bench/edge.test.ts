import { readFile } from "node:fs/promises";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { content, known, prepareMessages } from "../../bench/edge/exchange.ts";
import { openLane } from "../../bench/edge/lane.ts";
import type { GroupId } from "../../shared/ids.ts";
import { PASS_HEADER, parsePassKeys, signPass } from "../../shared/pass.ts";
import { type Client, startClient } from "../support/client.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { openWire, type WireMessage } from "../support/wire.ts";

describe("what the edge is compared with", () => {
  let stack: TestStack;
  let client: Client;
  let home: GroupId;
  let messages: Awaited<ReturnType<typeof prepareMessages>>["messages"];

  beforeAll(async () => {
    const script = await readFile(new URL("../../bench/edge/pass-through.js", import.meta.url), "utf8");
    stack = await startTestStack({
      extraWorkers: (FLY_APP_URL) => [{ name: "pass-through", script, vars: { FLY_APP_URL } }],
    });
    client = await startClient(stack.syncUrl);
    const prepared = await prepareMessages(client);
    home = prepared.home as GroupId;
    messages = prepared.messages;
  });
  afterAll(async () => {
    await client?.close();
    await stack?.close();
  });

  const passHeaders = async () => ({
    [PASS_HEADER]: await signPass({ home, session: "test" }, parsePassKeys(stack.passKeys)),
    "fly-force-instance-id": stack.machineOf(home).id,
  });

  test("does the same work: the edge, the pass-through Worker and the Sprite give the same answers", async () => {
    const straight = `ws://127.0.0.1:${stack.machineOf(home).port}/sync`;
    const answers = [];
    for (const [url, headers] of [
      [stack.syncUrl, {}],
      [stack.extraUrlOf("pass-through"), await passHeaders()],
      [straight, await passHeaders()],
    ] as const) {
      const wire = await openWire(url, headers);
      wire.sendRaw(messages.small);
      const known = await wire.next(({ action }) => action === "known", "the answer to content");
      wire.sendRaw(messages.loads[0] ?? "");
      const isContent = ({ action, id }: WireMessage) => action === "content" && id === known.id;
      answers.push([known, await wire.next(isContent, "the answer to a load")]);
      await wire.close();
    }
    expect(answers[0]?.[1]).toHaveProperty("header.ruleset.group", home);
    expect(answers[1]).toEqual(answers[0]);
    expect(answers[2]).toEqual(answers[0]);
  });

  test("every message is answered exactly once, in joined frames too", async () => {
    const lane = await openLane({ name: "edge", throughWorkerd: true, url: stack.syncUrl });
    await lane.oneByOne(known(messages.small, 5));
    await lane.allAtOnce(known(messages.small, 60, 20));
    await lane.allAtOnce(known(messages.large, 3));
    await lane.allAtOnce(content(messages.loads, 20));
    lane.close();
  });

  test("a lane whose socket closes fails instead of waiting", async () => {
    const lane = await openLane({ name: "edge", throughWorkerd: true, url: stack.syncUrl });
    const binary = Buffer.from("a binary frame ends the socket") as unknown as string;
    await expect(
      lane.oneByOne({ frames: [binary], answer: "nothing", ids: new Set(), perFrame: 1 }),
    ).rejects.toThrow(/closed/);
    lane.close();
  });
});
