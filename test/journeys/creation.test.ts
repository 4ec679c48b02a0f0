import { describe, expect, test } from "vitest";
import { asHome } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { startClient } from "../support/client.ts";
import { contentOf, idOf, newNode } from "../support/real-values.ts";
import { startTestStack, TEST_FLEET } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";

describe("the first messages of a new group", () => {
  test("make one Sprite and one disk, though a hundred come at once, through two edges", async () => {
    const stack = await startTestStack({ edges: 2 });
    try {
      const { node } = await newNode();
      const group = node.createGroup();
      const [content = ""] = contentOf(group);
      const wires = await Promise.all(
        Array.from({ length: 100 }, (_, n) => openWire(stack.syncUrlOf(n % 2))),
      );
      for (const wire of wires) wire.sendRaw(content);
      // Each Sprite asks whoever brings it content for the author's account: then it has been reached.
      await Promise.all(
        wires.map((wire) => wire.next(({ action }) => action === "load", "the Sprite's question")),
      );
      const name = spriteNameOf(asHome(idOf(group)));
      expect(stack.fleet.machines().map((machine) => machine.name)).toEqual([name]);
      const made = TEST_FLEET === "machines" ? ["Machine created", "volume created"] : ["Sprite created"];
      const creates = stack.lines.filter((line) => made.some((text) => line.includes(text)));
      expect(creates).toHaveLength(made.length);
      if (TEST_FLEET === "machines") expect(stack.fleet.volumes()).toHaveLength(1);
      await Promise.all(wires.map((wire) => wire.close()));
    } finally {
      await stack.close();
    }
  });

  test("that were written on one edge are seen on the other", async () => {
    const stack = await startTestStack({ edges: 2 });
    try {
      const [writer, reader] = await Promise.all([
        startClient(stack.syncUrlOf(0)),
        startClient(stack.syncUrlOf(1)),
      ]);
      const group = writer.node.createGroup();
      group.addMember("everyone", "writer");
      const map = group.createMap({ n: 0 });
      await writer.synced();
      const copy = await reader.load(map.id);
      copy.set("n", 1);
      await until(() => map.get("n") === 1, { what: "the edit that came through the other edge" });
      await Promise.all([writer.close(), reader.close()]);
    } finally {
      await stack.close();
    }
  });
});
