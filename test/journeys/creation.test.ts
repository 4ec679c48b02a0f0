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
      const { node, accountID } = await newNode();
      const group = node.createGroup();
      const account = { id: accountID, core: node.expectCoValueLoaded(accountID) };
      const [content = ""] = contentOf(group);
      const wires = await Promise.all(
        Array.from({ length: 100 }, (_, n) => openWire(stack.syncUrlOf(n % 2))),
      );
      for (const wire of wires) wire.sendRaw(content);
      // The edge asks for the author's account, which proves the group; then the group's Sprite asks for it.
      const asked = (times: number) =>
        until(
          () =>
            wires.every(
              ({ received }) =>
                received.filter(({ action, id }) => action === "load" && id === accountID).length >= times,
            ),
          { what: `question ${times}` },
        );
      await asked(1);
      expect(stack.fleet.machines()).toEqual([]);
      for (const wire of wires) for (const text of contentOf(account)) wire.sendRaw(text);
      await asked(2);
      const names = [group, account].map((home) => spriteNameOf(asHome(idOf(home))));
      const found = stack.fleet.machines().map((machine) => machine.name);
      expect(found.toSorted()).toEqual(names.toSorted());
      const made = TEST_FLEET === "machines" ? ["Machine created", "volume created"] : ["Sprite created"];
      const creates = stack.lines.filter((line) => made.some((text) => line.includes(text)));
      expect(creates).toHaveLength(2 * made.length);
      if (TEST_FLEET === "machines") expect(stack.fleet.volumes()).toHaveLength(2);
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

describe("what makes no Sprite", () => {
  test("bare headers, values of invented groups and wrong signatures: an error names each, and an honest client goes on", async () => {
    const stack = await startTestStack();
    try {
      const { node, accountID } = await newNode();
      const [group, forged] = [node.createGroup(), node.createGroup()];
      const map = group.createMap({ a: 1 });
      const [account, bare, owned, wrong] = [
        { core: node.expectCoValueLoaded(accountID) },
        group,
        map,
        forged,
      ].map((value) => JSON.parse(contentOf(value)[0] ?? ""));
      const [key = ""] = Object.keys(wrong.new);
      wrong.new[key].lastSignature = Object.values<{ lastSignature: string }>(bare.new)[0]?.lastSignature;
      const wire = await openWire(stack.syncUrl);
      const codeFor = async ({ id }: { id: string }) => {
        const error = await until(
          () => wire.received.find((message) => message.type === "error" && message.id === id),
          { what: `an error that names ${id}`, timeoutMs: 60_000 },
        );
        return error.code;
      };

      wire.send({ ...account, new: {} }, { ...bare, new: {} }, owned);
      expect(await codeFor(account)).toBe("unproven");
      expect(await codeFor(bare)).toBe("unproven");
      expect(await codeFor(owned)).toBe("missing-dependency");
      wire.send(wrong);
      expect(await codeFor(wrong)).toBe("unproven");
      expect(stack.fleet.machines()).toEqual([]);

      const client = await startClient(stack.syncUrl);
      const own = client.node.createGroup().createMap({ n: 1 });
      await client.synced();
      expect(own.get("n")).toBe(1);
      const names = stack.fleet.machines().map(({ name }) => name);
      expect(names.length).toBeGreaterThan(0);
      for (const { id } of [account, bare, owned, wrong]) expect(names).not.toContain(spriteNameOf(id));
      // The same values, sent as cojson sends them: nothing is held against them.
      wire.send(account, bare, owned);
      await until(
        () => {
          const made = stack.fleet.machines().map(({ name }) => name);
          return [account, bare].every(({ id }) => made.includes(spriteNameOf(id)));
        },
        { what: "the Sprites of account and group" },
      );
      await Promise.all([client.close(), wire.close()]);
    } finally {
      await stack.close();
    }
  }, 120_000);
});

describe("a cap on new Sprites", () => {
  test("holds the client that reached it, tells it and the operator, and holds nobody else", async () => {
    const stack = await startTestStack({ edgeVars: { SPRITE_CAPS: "client-hour=3" } });
    try {
      const { node, accountID } = await newNode();
      const groups = Array.from({ length: 4 }, () => node.createGroup());
      const wire = await openWire(stack.syncUrl, { "CF-Connecting-IP": "192.0.2.1" });
      for (const value of [{ core: node.expectCoValueLoaded(accountID) }, ...groups])
        for (const text of contentOf(value)) wire.sendRaw(text);
      const error = await wire.next(({ type }) => type === "error", "the error");
      expect(error).toMatchObject({ code: "rate", message: expect.stringContaining("3 new groups an hour") });
      await until(() => stack.fleet.machines().length === 3, { what: "as many Sprites as allowed" });

      const other = await openWire(stack.syncUrl, { "CF-Connecting-IP": "192.0.2.2" });
      const stranger = await newNode();
      const account = { id: stranger.accountID, core: stranger.node.expectCoValueLoaded(stranger.accountID) };
      for (const text of contentOf(account)) other.sendRaw(text);
      await other.next(({ action, header }) => action === "known" && header === true, "an acknowledgement");
      const name = spriteNameOf(asHome(idOf(account)));
      expect(stack.fleet.machines().map((machine) => machine.name)).toContain(name);
      expect(stack.fleet.machines()).toHaveLength(4);

      const health = await (await fetch(`${stack.pageUrl}health/fleet`)).json();
      expect(health).toMatchObject({
        creations: { hour: { made: 4, limit: 1_000 }, reached: ["client-hour"] },
      });
      expect(stack.lines.filter((line) => line.includes("a cap on new Sprites is reached"))).toHaveLength(1);
      await Promise.all([wire.close(), other.close()]);
    } finally {
      await stack.close();
    }
  });
});
