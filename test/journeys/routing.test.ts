import type { RawAccount } from "cojson";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, startClient } from "../support/client.ts";
import { contentOf, newNode } from "../support/real-values.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";

describe("the edge", () => {
  let stack: TestStack;
  const clients: Client[] = [];
  const client = async () => {
    const started = await startClient(stack.syncUrl);
    clients.push(started);
    return started;
  };

  beforeAll(async () => {
    stack = await startTestStack();
  });
  afterAll(async () => {
    await Promise.all(clients.map((each) => each.close()));
    await stack?.close();
  });

  test("answers a load of an unknown id by itself, and creates and wakes nothing for it", async () => {
    const { node } = await newNode();
    const wire = await openWire(stack.syncUrl);
    const before = stack.fleet.machines().length;
    const ids = Array.from({ length: 50 }, () => node.createGroup().id);
    for (const id of ids) wire.send({ action: "load", id, header: false, sessions: {} });
    for (const id of ids) {
      const answer = await wire.next((message) => message.id === id, `the answer for ${id}`);
      expect(answer).toEqual({ action: "known", id, header: false, sessions: {} });
    }
    expect(stack.fleet.machines()).toHaveLength(before);
    await wire.close();
  });

  test("delivers a value to a client that asked for it before anyone had created it", async () => {
    const [early, author] = [await client(), await startClient(stack.syncUrl, { offline: true })];
    clients.push(author);
    const group = author.node.createGroup();
    group.addMember("everyone", "reader");
    const map = group.createMap({ late: true });
    expect(await early.node.load(map.id)).toBe("unavailable");
    author.connect();
    const loaded = await until(() => early.node.expectCoValueLoaded(map.id), { what: "the late value" });
    expect(loaded.getCurrentContent().toJSON()).toEqual({ late: true });
  });

  test("asks for all of a value when it gets content without a header for an id that nobody has created", async () => {
    const { node } = await newNode();
    const map = node.createGroup().createMap({ a: 1 });
    const content = JSON.parse(contentOf(map)[0] ?? "");
    const wire = await openWire(stack.syncUrl);
    wire.send({ ...content, header: undefined });
    const answer = await wire.next(({ id }) => id === map.id, "the correction");
    expect(answer).toEqual({ action: "known", id: map.id, header: false, sessions: {}, isCorrection: true });
    await wire.close();
  });

  test("loads a value in a group that extends a group of another home, and follows that group", async () => {
    const [owner, member] = [await client(), await client()];
    const parent = owner.node.createGroup();
    await owner.synced();
    // Extended only later, so that it has a home of its own.
    const child = owner.node.createGroup();
    const map = child.createMap({ shared: "before" });
    await owner.synced();
    child.extend(parent);
    await owner.synced();
    expect(stack.machineOf(child.id).id).not.toBe(stack.machineOf(parent.id).id);

    parent.addMember(await owner.load<RawAccount>(member.accountID), "writer");
    await owner.synced();
    const copy = await member.load(map.id);
    expect(copy.toJSON()).toEqual({ shared: "before" });
    copy.set("shared", "by the member");
    await until(() => map.get("shared") === "by the member", { what: "the member's edit at the owner" });
  });

  test("keeps a Sprite's replica of a parent group in another home up to date", async () => {
    const [owner, reader, late] = [await client(), await client(), await client()];
    const parent = owner.node.createGroup();
    const child = owner.node.createGroup();
    const map = child.createMap({ secret: "for members" });
    await owner.synced();
    child.extend(parent);
    parent.addMember(await owner.load<RawAccount>(reader.accountID), "reader");
    await owner.synced();
    await reader.load(map.id);
    await owner.close();

    // Another device changes the parent only. No Sprite of the child has ever asked this one for anything.
    const phone = await startClient(stack.syncUrl, { deviceOf: owner });
    clients.push(phone);
    const theParent = await phone.load<typeof parent>(parent.id);
    theParent.addMember(await phone.load<RawAccount>(late.accountID), "reader");
    await phone.synced();

    // Whoever loads a value gets its parents along, from the child's Sprite, and asks nobody else for them.
    const copy = await until(() => late.load(map.id), { what: "the value" });
    await until(() => copy.get("secret") === "for members", {
      what: "the key that the parent has for a new member",
    });
  });

  test("/sync/<group> serves a client like /sync", async () => {
    const author = await client();
    const group = author.node.createGroup();
    group.addMember("everyone", "reader");
    const map = group.createMap({ a: 1 });
    await author.synced();
    const reader = await startClient(`${stack.syncUrl}/${group.id}`);
    clients.push(reader);
    expect((await reader.load(map.id)).toJSON()).toEqual({ a: 1 });
  });

  test("says what is wrong with a request that is no upgrade, or names no group", async () => {
    const http = stack.pageUrl.replace(/\/$/, "");
    expect((await fetch(`${http}/health`)).status).toBe(200);
    const plain = await fetch(`${http}/sync`);
    expect([plain.status, (await plain.json()) as unknown]).toEqual([
      400,
      expect.objectContaining({ error: "bad-frame" }),
    ]);
    await expect(openWire(`${stack.syncUrl}/not-a-group`)).rejects.toThrow("answered 404");
  });
});
