import { rm } from "node:fs/promises";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { asHome, type CoValueId } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { type Client, startClient } from "../support/client.ts";
import { contentOf, idOf, newNode } from "../support/real-values.ts";
import { CREATE_CALL, startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire, type Wire } from "../support/wire.ts";

describe("a Sprite in trouble", () => {
  let stack: TestStack;
  let writer: Client;
  let reader: Client;
  let pings: Wire;
  /** Called when a Sprite's process has opened its storage, with the Sprite's name. */
  let onOpened: (name: string) => void = () => undefined;

  beforeAll(async () => {
    stack = await startTestStack({
      onSpriteLine: (name, line) => line.includes('"storage open"') && onOpened(name),
    });
    [writer, reader] = await Promise.all([startClient(stack.syncUrl), startClient(stack.syncUrl)]);
    pings = await openWire(stack.syncUrl);
  });
  afterEach(() => {
    stack.fleet.faults.clear();
    onOpened = () => undefined;
  });
  afterAll(async () => {
    await pings?.close();
    await Promise.all([writer?.close(), reader?.close()]);
    await stack?.close();
  });

  async function team() {
    const group = writer.node.createGroup();
    group.addMember("everyone", "writer");
    const map = group.createMap({ n: 0 });
    return { map, id: group.id, name: spriteNameOf(asHome(group.id as string as CoValueId)) };
  }

  /** While something is wrong: another group's traffic flows and pings come, on sockets that stay open. */
  async function othersAreWell(healthy: Awaited<ReturnType<typeof team>>, n: number) {
    const copy = await reader.load(healthy.map.id);
    healthy.map.set("n", n);
    await until(() => copy.get("n") === n, { what: "the healthy group's traffic" });
    const before = pings.received.length;
    await until(() => pings.received.length > before, { what: "a ping" });
    expect([writer.closures(), reader.closures(), pings.closed()]).toEqual([0, 0, undefined]);
  }

  test("that hangs while it is created: others flow, and the data arrives when it comes up", async () => {
    const healthy = await team();
    await writer.synced();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const sick = await team();
    const boot = stack.fleet.faults.boot(
      { kind: "hold", until: held },
      { when: ({ name }) => name === sick.name },
    );
    try {
      await until(() => boot.hits > 0, { what: "the sick Sprite hanging" });
      await othersAreWell(healthy, 1);
    } finally {
      release();
    }
    await writer.synced();
    expect((await reader.load(sick.map.id)).get("n")).toBe(0);
  });

  test("whose first client leaves while it is being created is there for the next", async () => {
    const { node, accountID } = await newNode();
    const group = node.createGroup();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const creating = stack.fleet.faults.api(
      CREATE_CALL,
      { kind: "hold", until: held },
      { when: ({ body }) => (body as { name?: string }).name === spriteNameOf(asHome(idOf(group))) },
    );
    const contents = [...contentOf(group), ...contentOf({ core: node.expectCoValueLoaded(accountID) })];
    const first = await openWire(stack.syncUrl);
    first.sendRaw(contents.join("\n"));
    await until(() => creating.hits > 0, { what: "the creation beginning" });
    await first.close();
    const second = await openWire(stack.syncUrl);
    second.sendRaw(contents.join("\n"));
    await second.drained();
    release();
    await second.next(({ action, id }) => action === "load" && id === accountID, "the Sprite's question");
    expect(creating.hits).toBe(1);
    await second.close();
  });

  test("whose fleet refuses for a while: others flow, and the data arrives afterwards", async () => {
    const healthy = await team();
    await writer.synced();
    const sick = await team();
    const refusal = stack.fleet.faults.api(
      CREATE_CALL,
      { kind: "answer", answer: { status: 503, body: "<html>try later</html>" } },
      { when: ({ body }) => (body as { name?: string }).name === sick.name },
    );
    await until(() => refusal.hits > 1, { what: "a refusal" });
    await othersAreWell(healthy, 2);
    refusal.remove();
    await writer.synced();
    expect((await reader.load(sick.map.id)).get("n")).toBe(0);
  });

  test("that crashes each time it wakes: others flow, and the data arrives when it stays up", async () => {
    const [healthy, sick] = [await team(), await team()];
    await writer.synced();
    const copy = await reader.load(sick.map.id);
    let crashes = 0;
    onOpened = (name) => {
      if (name !== sick.name || crashes >= 3) return;
      crashes++;
      stack.fleet.kill(stack.machineOf(sick.id).id, "SIGKILL");
    };
    stack.fleet.kill(stack.machineOf(sick.id).id, "SIGKILL");
    sick.map.set("n", "written while it crashed");
    await othersAreWell(healthy, 3);
    // A container dies some time after it is told to: the update may come before the last crash, and must outlive it.
    await until(() => crashes === 3 && copy.get("n") === "written while it crashed", {
      what: "three crashes and the update",
      timeoutMs: 40_000,
    });
    await writer.synced();
    const fresh = await startClient(stack.syncUrl);
    expect((await fresh.load(sick.map.id)).get("n")).toBe("written while it crashed");
    await fresh.close();
    expect([writer.closures(), reader.closures()]).toEqual([0, 0]);
  });

  test("that loses its whole disk is rebuilt from the browsers that have it open", async () => {
    const sick = await team();
    await writer.synced();
    const copy = await reader.load(sick.map.id);
    const { id, volumeDir } = stack.machineOf(sick.id);
    stack.fleet.kill(id, "SIGSTOP");
    await rm(`${volumeDir}/hypercore-storage`, { recursive: true });
    stack.fleet.kill(id, "SIGKILL");
    sick.map.set("n", "after the loss");
    await until(() => copy.get("n") === "after the loss", { what: "the update after the loss" });
    await writer.synced();
    const fresh = await startClient(stack.syncUrl);
    expect((await fresh.load(sick.map.id)).toJSON()).toEqual({ n: "after the loss" });
    await fresh.close();
    expect([writer.closures(), reader.closures()]).toEqual([0, 0]);
  });
});
