import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { RawCoList } from "cojson";
import { describe, expect, test } from "vitest";
import { startClient } from "../support/client.ts";
import { startTestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

describe("what was acknowledged", () => {
  test("is there after kill -9 of its Sprite, and the writer's socket never closed", async () => {
    const stack = await startTestStack();
    try {
      const writer = await startClient(stack.syncUrl);
      const group = writer.node.createGroup();
      group.addMember("everyone", "reader");
      const list = group.createList<RawCoList<number>>([]);
      for (let n = 0; n < 50; n++) list.append(n);
      await writer.synced();
      const { id, pid } = stack.machineOf(group.id);
      stack.fleet.kill(id, "SIGKILL");
      await until(() => stack.machineOf(group.id).pid !== pid, { what: "the Sprite dying" });
      const reader = await startClient(stack.syncUrl);
      const copy = await reader.load<typeof list>(list.id);
      expect(copy.toJSON()).toEqual(Array.from({ length: 50 }, (_, n) => n));
      list.append(50);
      await until(() => copy.toJSON().length === 51, { what: "what was written after the crash" });
      expect(writer.closures()).toBe(0);
      await Promise.all([writer.close(), reader.close()]);
    } finally {
      await stack.close();
    }
  });

  test("is there after the whole stack was stopped and started on the same data", async () => {
    const dataDir = await mkdtemp(join(tmpdir(), "sprite-sync-test-"));
    try {
      let stack = await startTestStack({ dataDir });
      const writer = await startClient(stack.syncUrl);
      const group = writer.node.createGroup();
      group.addMember("everyone", "reader");
      const map = group.createMap({ kept: true });
      await writer.synced();
      await writer.close();
      const before = stack.fleet.machines().length;
      await stack.close();

      stack = await startTestStack({ dataDir });
      const reader = await startClient(stack.syncUrl);
      expect((await reader.load(map.id)).toJSON()).toEqual({ kept: true });
      await reader.close();
      const known = stack.fleet.machines().filter(({ name }) => name === stack.machineOf(group.id).name);
      expect(known).toHaveLength(1);
      expect(stack.fleet.machines().length).toBeGreaterThanOrEqual(before);
      await stack.close();
    } finally {
      await rm(dataDir, { recursive: true, force: true });
    }
  });

  test("survives the edge: it is restarted, clients reconnect, and nothing is missing", async () => {
    const stack = await startTestStack();
    try {
      const [writer, reader] = await Promise.all([startClient(stack.syncUrl), startClient(stack.syncUrl)]);
      const group = writer.node.createGroup();
      group.addMember("everyone", "writer");
      const map = group.createMap({ n: 0 });
      await writer.synced();
      const copy = await reader.load(map.id);
      await stack.restartEdge();
      map.set("n", 1);
      await until(() => copy.get("n") === 1, { what: "what was written while the edge was away" });
      await Promise.all([writer.close(), reader.close()]);
    } finally {
      await stack.close();
    }
  });
});
