import { LRUCache } from "lru-cache";
import { beforeAll, describe, expect, test } from "vitest";
import type { CoValueId, GroupId } from "../../shared/ids.ts";
import { LIMITS } from "../../shared/limits.ts";
import type { Message } from "../../shared/messages.ts";
import { type ContentMessage, parseMessage } from "../../shared/messages.ts";
import { contentOf, newNode } from "../support/real-values.ts";
import { KNOWN_ACCOUNTS, MemoryShards, RouterHarness } from "./router-harness.ts";

const CO_SESSION = "co_zQVMHLerq9tc7NcL31jQDRTsrWU_session_zLHntbjFbNiC";

async function values() {
  const { node, accountID } = await newNode();
  const [group, other] = [node.createGroup(), node.createGroup()];
  const child = node.createGroup();
  child.extend(group);
  const first = (value: Parameters<typeof contentOf>[0]) => JSON.parse(contentOf(value)[0] ?? "");
  const [map, childMap, otherMap] = [
    group.createMap({ a: 1 }),
    child.createMap({ b: 1 }),
    other.createMap({ c: 1 }),
  ];
  return {
    account: { id: accountID as string, content: first({ core: node.expectCoValueLoaded(accountID) }) },
    group: { id: group.id as string, content: first(group) },
    child: { id: child.id as string, content: first(child) },
    other: { id: other.id as string, content: first(other) },
    map: { id: map.id as string, content: first(map) },
    childMap: { id: childMap.id as string, content: first(childMap) },
    otherMap: { id: otherMap.id as string, content: first(otherMap) },
  };
}

let v: Awaited<ReturnType<typeof values>>;
beforeAll(async () => {
  v = await values();
  KNOWN_ACCOUNTS.learn(parseMessage(JSON.stringify(v.account.content)) as ContentMessage);
});

const load = (id: string, state = {}) => ({ action: "load", id, header: false, sessions: {}, ...state });
const known = (id: string, state = {}) => ({ action: "known", id, header: true, sessions: {}, ...state });
const more = (id: string, after: number, count = 1) => ({
  action: "content",
  id,
  priority: 0,
  new: {
    [CO_SESSION]: {
      after,
      newTransactions: Array(count).fill({ privacy: "trusting", madeAt: 1, changes: "[]" }),
      lastSignature: "signature_z1",
    },
  },
});
const reachOf = (content: { new: Record<string, { after: number; newTransactions: unknown[] }> }) =>
  Object.fromEntries(
    Object.entries(content.new).map(([key, { after, newTransactions }]) => [
      key,
      after + newTransactions.length,
    ]),
  );

describe("placement of what a client writes first", () => {
  test("a child group and its values live with the parent, whatever order they come in", async () => {
    for (const order of [
      [v.group, v.child, v.childMap],
      [v.childMap, v.child, v.group],
    ]) {
      const harness = new RouterHarness();
      await harness.client(...order.map(({ content }) => content));
      expect(harness.sprite(v.group.id).map((message) => "id" in message && message.id)).toEqual(
        expect.arrayContaining(order.map(({ id }) => id)),
      );
      expect(harness.toSprites.size).toBe(1);
    }
  });

  test("a value that comes a frame before its group's answer waits for it", async () => {
    const harness = new RouterHarness();
    harness.router.clientMessages([JSON.stringify(v.group.content)]);
    harness.router.clientMessages([JSON.stringify(v.child.content)]);
    harness.router.clientMessages([JSON.stringify(v.childMap.content)]);
    await harness.client();
    expect([...harness.shards.homes.values()].every((home) => home === v.group.id)).toBe(true);
  });

  test("a value that comes before its group waits for it, and makes no home by itself", async () => {
    const harness = new RouterHarness();
    await harness.client(v.map.content);
    expect(harness.shards.homes.size).toBe(0);
    await harness.client(v.group.content);
    expect(harness.shards.homes.get(v.group.id)).toBe(v.group.id);
    expect(harness.sprite(v.group.id)).toHaveLength(2);
    expect(harness.take()).toEqual([]);
  });

  test("with policy group every group is its own home", async () => {
    const harness = new RouterHarness(new MemoryShards(), "group");
    await harness.client(v.group.content, v.child.content, v.childMap.content);
    expect(harness.sprite(v.child.id)).toHaveLength(2);
    expect(harness.sprite(v.group.id)).toHaveLength(1);
  });

  test("with policy account a group lives with its creator", async () => {
    const harness = new RouterHarness(new MemoryShards(), "account");
    await harness.client(v.group.content, v.map.content);
    expect(harness.shards.homes.size).toBe(0);
    await harness.client(v.account.content);
    expect(harness.sprite(v.account.id)).toHaveLength(3);
  });

  test("the first writer wins, for every session", async () => {
    const shards = new MemoryShards();
    shards.homes.set(v.group.id, v.other.id);
    const harness = new RouterHarness(shards);
    await harness.client(v.group.content, v.map.content);
    expect(harness.sprite(v.other.id)).toHaveLength(2);
  });

  test("a header that does not hash to its id reaches neither the directory nor a Sprite", async () => {
    const harness = new RouterHarness();
    await harness.client({ ...v.map.content, id: v.otherMap.id }, { ...v.group.content, id: v.other.id });
    expect(harness.take().map((message) => JSON.parse(message.text).code)).toEqual([
      "header-mismatch",
      "header-mismatch",
    ]);
    expect(harness.shards.calls).toBe(0);
    expect(harness.toSprites.size).toBe(0);
  });

  test("one call per shard and frame, and none for what this isolate has met", async () => {
    const harness = new RouterHarness();
    await harness.client(v.group.content);
    const calls = harness.shards.calls;
    for (let n = 0; n < 10; n++) await harness.client(more(v.group.id, n));
    expect(harness.shards.calls).toBe(calls);
  });
});

describe("ids that nobody has created", () => {
  test("are answered at once, wake nothing, and are delivered when somebody creates them", async () => {
    const harness = new RouterHarness();
    await harness.client(load(v.map.id));
    expect(harness.take()).toMatchObject([
      { action: "known", id: v.map.id, state: { header: false, sessions: {} } },
    ]);
    expect(harness.toSprites.size).toBe(0);
    expect(harness.wanted).toEqual([v.map.id]);
    harness.router.placed(v.map.id as never, v.group.id as never);
    expect(harness.sprite(v.group.id)).toMatchObject([
      { action: "load", id: v.map.id, state: { header: false } },
    ]);
  });

  test("are not waited for when the client has the value itself and will upload it", async () => {
    const harness = new RouterHarness();
    await harness.client(load(v.map.id, { header: true, sessions: { [CO_SESSION]: 1 } }));
    expect(harness.wanted).toEqual([]);
  });

  test("make the edge ask for everything when content comes without a header", async () => {
    const harness = new RouterHarness();
    await harness.client(more(v.map.id, 3));
    expect(harness.take()).toMatchObject([
      { action: "known", isCorrection: true, state: { header: false, sessions: {} } },
    ]);
  });
});

describe("a directory that does not answer", () => {
  test("delays its own ids, keeps their order, and invents no answer", async () => {
    const harness = new RouterHarness();
    await harness.client(v.group.content);
    harness.shards.down = true;
    await harness.client(load(v.map.id), v.map.content, more(v.group.id, 7));
    expect(harness.take()).toEqual([]);
    expect(harness.sprite(v.group.id)).toHaveLength(2);
    harness.shards.down = false;
    await harness.retry();
    // By now the content is known to follow the load: both go to the home that it gives the value.
    expect(harness.take()).toEqual([]);
    expect(harness.sprite(v.group.id).map(({ action }) => action)).toEqual([
      "content",
      "content",
      "load",
      "content",
    ]);
  });
});

describe("dependencies between homes", () => {
  async function twoHomes() {
    const harness = new RouterHarness();
    await harness.client(v.account.content, v.group.content);
    for (const { id } of [v.account, v.group]) harness.open.add(id as never);
    harness.sprite(v.account.id).length = 0;
    harness.sprite(v.group.id).length = 0;
    harness.take();
    return harness;
  }

  test("what a Sprite asked a client for goes to it and to the value's home", async () => {
    const harness = await twoHomes();
    await harness.fromSprite(v.group.id, load(v.account.id));
    expect(harness.take()).toMatchObject([{ action: "load", id: v.account.id }]);
    await harness.client(v.account.content);
    expect(harness.sprite(v.group.id)).toHaveLength(1);
    expect(harness.sprite(v.account.id)).toHaveLength(1);
    await harness.client(more(v.account.id, 9));
    expect(harness.sprite(v.group.id)).toHaveLength(2);
    expect(harness.sprite(v.account.id)).toHaveLength(2);
  });

  test("an acknowledgement of a replica never reaches the client, corrections and news do", async () => {
    const harness = await twoHomes();
    await harness.fromSprite(v.group.id, known(v.account.id));
    expect(harness.take()).toEqual([]);
    await harness.fromSprite(v.group.id, known(v.account.id, { isCorrection: true }));
    await harness.fromSprite(v.group.id, more(v.account.id, 9));
    expect(harness.take()).toMatchObject([{ isCorrection: true }, { action: "content" }]);
    await harness.fromSprite(v.account.id, known(v.account.id, { sessions: reachOf(v.account.content) }));
    expect(harness.take()).toMatchObject([{ action: "known", id: v.account.id }]);
  });

  test("a home that has acknowledged a value is not woken because another Sprite asks for it", async () => {
    const harness = await twoHomes();
    await harness.fromSprite(v.account.id, known(v.account.id, { sessions: reachOf(v.account.content) }));
    harness.take();
    await harness.fromSprite(v.group.id, load(v.account.id));
    await harness.client(v.account.content);
    expect(harness.sprite(v.account.id)).toEqual([]);
    expect(harness.sprite(v.group.id)).toHaveLength(1);
    // The question made the client believe that the server has nothing: it must hear what its home has.
    expect(harness.take()).toMatchObject([
      { action: "load" },
      { action: "known", isCorrection: false, state: { header: true, sessions: reachOf(v.account.content) } },
    ]);
  });

  test("a dependency that comes along at every attach reaches the client once, and again when it has less of it", async () => {
    const shards = new MemoryShards();
    for (const { id } of [v.group, v.map]) shards.homes.set(id, v.group.id);
    shards.homes.set(v.account.id, v.account.id);
    const harness = new RouterHarness(shards);
    await harness.client(load(v.map.id));
    harness.open.add(v.group.id as never);
    const sent = async (content: string | object) => {
      await harness.fromSprite(v.group.id, content);
      return harness.take().length;
    };
    expect(await sent(v.account.content)).toBe(1);
    await harness.client(known(v.account.id, { sessions: reachOf(v.account.content) }));
    harness.lose(v.group.id);
    harness.attach(v.group.id);
    expect(await sent(v.account.content)).toBe(0);
    expect(await sent(more(v.account.id, 9))).toBe(1);
    // It has lost it, and says so: by a correction, or by asking.
    await harness.client(known(v.account.id, { isCorrection: true, sessions: {} }));
    expect(await sent(v.account.content)).toBe(1);
    await harness.client(known(v.account.id, { sessions: reachOf(v.account.content) }));
    expect(await sent(v.account.content)).toBe(0);
    await harness.client(load(v.account.id));
    expect(await sent(v.account.content)).toBe(1);
  });

  test("content of a home that the client has, or was sent before, is not sent to it again", async () => {
    const harness = await twoHomes();
    for (const times of [1, 0]) {
      await harness.fromSprite(v.account.id, more(v.account.id, 9));
      expect(harness.take()).toHaveLength(times);
    }
    await harness.client(load(v.account.id));
    await harness.fromSprite(v.account.id, v.account.content);
    expect(harness.take()).toMatchObject([{ action: "content", id: v.account.id }]);
  });

  test("what a replica knows and the home has not shown to have makes the home be attached, and only that", async () => {
    const harness = await twoHomes();
    await harness.fromSprite(v.account.id, known(v.account.id, { sessions: reachOf(v.account.content) }));
    harness.lose(v.account.id);
    await harness.fromSprite(v.group.id, v.account.content);
    expect(harness.attached).toEqual([]);
    await harness.fromSprite(v.group.id, more(v.account.id, 9));
    expect(harness.attached).toEqual([v.account.id]);
  });

  test("an unasked acknowledgement of the client wakes no home", async () => {
    const harness = await twoHomes();
    harness.lose(v.account.id);
    await harness.fromSprite(v.group.id, v.account.content);
    await harness.client(known(v.account.id));
    expect(harness.sprite(v.account.id)).toEqual([]);
    expect(harness.sprite(v.group.id)).toHaveLength(1);
  });

  test("a dependency that a Sprite sends along is followed at its home, even one this isolate had not met", async () => {
    const shards = new MemoryShards();
    for (const { id } of [v.group, v.map]) shards.homes.set(id, v.group.id);
    shards.homes.set(v.account.id, v.account.id);
    const harness = new RouterHarness(shards);
    await harness.client(load(v.map.id));
    harness.open.add(v.group.id as never);
    await harness.fromSprite(v.group.id, v.account.content);
    await harness.fromSprite(v.group.id, v.group.content);
    await harness.fromSprite(v.group.id, v.map.content);
    harness.lose(v.group.id);
    const replayed = harness.attach(v.group.id).map((message) => "id" in message && message.id);
    expect(replayed.toSorted()).toEqual([v.group.id, v.map.id].toSorted());
  });

  test("what a client writes to a value whose home is still being looked up reaches the home that turns out", async () => {
    const shards = new MemoryShards();
    for (const { id } of [v.group, v.map]) shards.homes.set(id, v.group.id);
    const cache = new LRUCache<CoValueId, GroupId>({ max: 1000 });
    const harness = new RouterHarness(shards, "root", cache);
    await harness.client(load(v.map.id));
    for (const { id } of [v.account, v.group]) harness.open.add(id as never);
    shards.down = true;
    await harness.fromSprite(v.group.id, v.account.content);
    // Another session of the isolate has met it.
    cache.set(v.account.id as CoValueId, v.account.id as GroupId);
    await harness.client(more(v.account.id, 9));
    shards.down = false;
    await harness.retry();
    const isMore = (message: Message) => message.action === "content" && message.id === v.account.id;
    expect(harness.sprite(v.account.id).filter(isMore)).toHaveLength(1);
    expect(harness.sprite(v.group.id).filter(isMore)).toHaveLength(1);
    harness.lose(v.account.id);
    expect(harness.router.owes(v.account.id as GroupId)).toBe(true);
    expect(harness.attach(v.account.id).filter(isMore)).toHaveLength(1);
  });
});

describe("an upstream that is lost", () => {
  async function following() {
    const harness = new RouterHarness();
    await harness.client(v.group.content, v.map.content);
    harness.attach(v.group.id);
    for (const { id, content } of [v.group, v.map])
      await harness.fromSprite(v.group.id, known(id, { sessions: reachOf(content) }));
    harness.take();
    harness.sprite(v.group.id).length = 0;
    return harness;
  }

  test("owes nothing when all was acknowledged; attached again it replays what the client has", async () => {
    const harness = await following();
    expect(harness.router.owes(v.group.id as never)).toBe(false);
    harness.lose(v.group.id);
    const replayed = harness.attach(v.group.id);
    expect(replayed).toMatchObject([
      { action: "load", id: v.group.id, state: { header: true, sessions: reachOf(v.group.content) } },
      { action: "load", id: v.map.id, state: { header: true, sessions: reachOf(v.map.content) } },
    ]);
    expect(replayed.every(({ text }) => JSON.parse(text).reattach === true)).toBe(true);
    expect(harness.attach(v.group.id)).toEqual([]);
  });

  test("is owed content that was not acknowledged", async () => {
    const harness = await following();
    await harness.client(more(v.map.id, 0, 2));
    expect(harness.router.owes(v.group.id as never)).toBe(true);
    await harness.fromSprite(v.group.id, known(v.map.id, { sessions: reachOf(v.map.content) }));
    expect(harness.router.owes(v.group.id as never)).toBe(true);
    await harness.fromSprite(
      v.group.id,
      known(v.map.id, { sessions: { ...reachOf(v.map.content), [CO_SESSION]: 2 } }),
    );
    expect(harness.router.owes(v.group.id as never)).toBe(false);
  });

  test("whose Sprite comes back with less makes the client send what is missing, once", async () => {
    const harness = await following();
    harness.lose(v.group.id);
    harness.attach(v.group.id);
    await harness.fromSprite(v.group.id, known(v.map.id, { header: false }));
    expect(harness.take()).toMatchObject([
      { action: "known", id: v.map.id, isCorrection: true, state: { header: false } },
    ]);
    await harness.fromSprite(v.group.id, known(v.map.id, { header: false }));
    expect(harness.take()).toMatchObject([{ action: "known", isCorrection: false }]);
  });

  test("asks for no repair of content that waits in its queue anyway", async () => {
    const harness = await following();
    harness.lose(v.group.id);
    await harness.client(more(v.map.id, 0, 2));
    harness.attach(v.group.id);
    await harness.fromSprite(v.group.id, known(v.map.id, { sessions: reachOf(v.map.content) }));
    expect(harness.take()).toMatchObject([{ action: "known", isCorrection: false }]);
    expect(harness.router.owes(v.group.id as never)).toBe(true);
  });

  test("is not owed content that the Sprite refused for good", async () => {
    const harness = await following();
    await harness.client(more(v.map.id, 0, 2));
    const complaint = { type: "error", code: "foreign-covalue", id: v.map.id, message: "not here" };
    await harness.fromSprite(v.group.id, { ...complaint, code: "storage-failed" });
    expect(harness.router.owes(v.group.id as never)).toBe(true);
    await harness.fromSprite(v.group.id, complaint);
    expect(harness.router.owes(v.group.id as never)).toBe(false);
    expect(harness.take()).toMatchObject([{ action: "control" }, { action: "control", type: "error" }]);
  });

  test("is not owed content that the Sprite has no quota for, and is asked for it when the Sprite asks", async () => {
    const harness = await following();
    await harness.client(more(v.map.id, 0, 2));
    await harness.fromSprite(v.group.id, {
      type: "error",
      code: "over-quota",
      id: v.map.id,
      message: "full",
    });
    expect(harness.router.owes(v.group.id as never)).toBe(false);
    harness.take();
    const has = known(v.map.id, { sessions: reachOf(v.map.content) });
    await harness.fromSprite(v.group.id, { ...has, isCorrection: true });
    expect(harness.take()).toMatchObject([{ action: "known", id: v.map.id, isCorrection: true }]);
  });

  test("asks the client again for content behind what the Sprite refused for now", async () => {
    const harness = await following();
    await harness.fromSprite(v.group.id, known(v.map.id, { sessions: {} }));
    await harness.client(more(v.map.id, 0, 2));
    const complaint = { type: "error", code: "missing-dependency", id: v.map.id, message: "no author" };
    await harness.fromSprite(v.group.id, complaint);
    // It tried the first, and will not try it again by itself.
    await harness.client(more(v.map.id, 2));
    harness.take();
    await harness.fromSprite(v.group.id, known(v.map.id, { isCorrection: true, sessions: {} }));
    expect(harness.take()).toMatchObject([{ action: "known", id: v.map.id, isCorrection: true }]);
    await harness.client(more(v.map.id, 0, 3));
    await harness.fromSprite(v.group.id, known(v.map.id, { sessions: { [CO_SESSION]: 3 } }));
    expect(harness.router.owes(v.group.id as never)).toBe(false);
  });

  test("whose queue overflowed repairs every value of its home", async () => {
    const harness = await following();
    harness.lose(v.group.id);
    harness.full.add(v.group.id as never);
    await harness.client(more(v.map.id, 0, 2));
    harness.full.clear();
    harness.attach(v.group.id);
    await harness.fromSprite(v.group.id, known(v.map.id, { sessions: reachOf(v.map.content) }));
    expect(harness.take()).toMatchObject([{ action: "known", id: v.map.id, isCorrection: true }]);
  });
});

describe("what a Sprite asked the client for", () => {
  test("is asked for again when it was among what an attached Sprite's full queue dropped", async () => {
    const harness = new RouterHarness();
    await harness.client(v.group.content, v.account.content);
    harness.attach(v.group.id);
    await harness.fromSprite(v.group.id, load(v.account.id));
    harness.full.add(v.group.id as never);
    harness.take();
    await harness.client(v.account.content);
    harness.full.clear();
    harness.attach(v.group.id);
    expect(harness.take()).toMatchObject([{ action: "load", id: v.account.id, state: { header: false } }]);
    harness.attach(v.group.id);
    expect(harness.take()).toEqual([]);
  });
});

describe("reconcile", () => {
  const batch = (...ids: string[]) => ({
    action: "reconcile",
    id: "batch1",
    values: ids.map((id) => [id, "hash"]),
  });

  async function placed() {
    const harness = new RouterHarness();
    await harness.client(v.group.content, v.other.content);
    harness.open.add(v.group.id as never).add(v.other.id as never);
    harness.take();
    return harness;
  }

  test("is split by home and acknowledged once, when all homes have", async () => {
    const harness = await placed();
    await harness.client(batch(v.group.id, v.other.id));
    for (const { id } of [v.group, v.other]) {
      expect(harness.sprite(id).at(-1)).toMatchObject({
        action: "reconcile",
        batch: "batch1",
        values: [[id, "hash"]],
      });
    }
    const ack = { action: "reconcile-ack", id: "batch1" };
    await harness.fromSprite(v.group.id, ack);
    await harness.fromSprite(v.group.id, ack);
    expect(harness.take()).toEqual([]);
    await harness.fromSprite(v.other.id, ack);
    expect(harness.take()).toMatchObject([{ action: "reconcile-ack", batch: "batch1" }]);
  });

  test("asks for ids without a home and waits until they are stored", async () => {
    const harness = await placed();
    await harness.client(batch(v.map.id));
    expect(harness.take()).toMatchObject([
      { action: "load", id: v.map.id, state: { header: false, sessions: {} } },
    ]);
    await harness.client(v.map.content);
    expect(harness.take()).toEqual([]);
    await harness.fromSprite(v.group.id, known(v.map.id, { sessions: reachOf(v.map.content) }));
    expect(harness.take()).toMatchObject([{ action: "known" }, { action: "reconcile-ack", batch: "batch1" }]);
  });

  test("is complete when the client turns out not to have the value", async () => {
    const harness = await placed();
    await harness.client(batch(v.map.id));
    harness.take();
    await harness.client(known(v.map.id, { header: false }));
    expect(harness.take()).toMatchObject([{ action: "reconcile-ack", batch: "batch1" }]);
  });

  test("is sent again to a home whose upstream was lost before it acknowledged", async () => {
    const harness = await placed();
    await harness.client(batch(v.group.id, v.other.id));
    harness.lose(v.group.id);
    expect(harness.router.owes(v.group.id as never)).toBe(true);
    expect(harness.attach(v.group.id).find(({ action }) => action === "reconcile")).toMatchObject({
      values: [[v.group.id, "hash"]],
    });
  });

  test("wakes a home that sleeps for the answer that it waits for, and for no other", async () => {
    const harness = await placed();
    await harness.client(batch(v.group.id));
    harness.lose(v.group.id);
    harness.sprite(v.group.id).length = 0;
    await harness.client(known(v.group.id));
    expect(harness.sprite(v.group.id)).toEqual([]);
    const answer = known(v.group.id, { header: false });
    await harness.client(answer);
    expect(harness.sprite(v.group.id)).toMatchObject([{ action: "known", id: v.group.id }]);
    await harness.fromSprite(v.group.id, { action: "reconcile-ack", id: "batch1" });
    await harness.client(answer);
    expect(harness.sprite(v.group.id)).toHaveLength(1);
  });

  test("of nothing is acknowledged at once", async () => {
    const harness = await placed();
    await harness.client(batch());
    expect(harness.take()).toMatchObject([{ action: "reconcile-ack", batch: "batch1" }]);
  });
});

describe("messages", () => {
  test("travel on as they came, with members nobody knows and spaces", async () => {
    const harness = new RouterHarness();
    await harness.client(v.group.content);
    const text = `{ "future": [1, {"x": "\\u0041"}], "action":"done",   "id":"${v.group.id}" }`;
    harness.open.add(v.group.id as never);
    await harness.client(text);
    expect(harness.sprite(v.group.id).at(-1)?.text).toBe(text);
  });

  test("whose transactions are no objects prove nothing and get no home", async () => {
    const harness = new RouterHarness();
    const [coSession = "", rest] = Object.entries(v.group.content.new)[0] ?? [];
    const broken = {
      ...v.group.content,
      new: { [coSession]: { ...(rest as object), newTransactions: [null, 7, []] } },
    };
    await harness.client(broken);
    await harness.client(v.map.content);
    expect(harness.take().map(({ text }) => JSON.parse(text))).toMatchObject([
      { code: "unproven", id: v.group.id },
    ]);
    expect(harness.shards.homes.size).toBe(0);
  });

  test("that cannot be read are answered by an error that names the value", async () => {
    const harness = new RouterHarness();
    await harness.client({ action: "content", id: v.map.id, header: { type: "comap" }, new: {} });
    expect(harness.take().map(({ text }) => JSON.parse(text))).toMatchObject([
      { code: "bad-message", id: v.map.id },
    ]);
    expect(harness.shards.calls).toBe(0);
  });

  test("about ids that no header hashes to are answered without asking the directory, or remembering them", async () => {
    const harness = new RouterHarness();
    const ids = ["", "list", "co_zshort", `co_z${"2".repeat(20)}`, "x".repeat(2_000)];
    await harness.client(...ids.map((id) => ({ action: "load", id, header: false, sessions: {} })));
    expect(harness.take().map(({ text }) => JSON.parse(text).action)).toEqual([
      ...Array(4).fill("known"),
      undefined,
    ]);
    await harness.client({ action: "reconcile", id: "batch", values: ids.map((id) => [id, "hash"]) });
    expect(harness.take()).toMatchObject([{ action: "reconcile-ack", batch: "batch" }]);
    expect([harness.shards.calls, harness.wanted, harness.router.isSettled]).toEqual([0, [], true]);
  });

  test("that cannot be read are answered once a frame, or by the id they name, and the others of it go on", async () => {
    const harness = new RouterHarness();
    const codes = () => harness.take().map((message) => JSON.parse(message.text).code);
    const named = `{"action":"load","id":"${v.map.id}"}`;
    await harness.client(v.group.content, "42", "[]", named, '{"action":"load"}', named, load(v.group.id));
    expect(codes()).toEqual(Array(3).fill("bad-message"));
    expect(harness.sprite(v.group.id)).toHaveLength(2);
    await harness.client("");
    expect(codes()).toEqual(["bad-message"]);
  });

  test("that cannot be read end the socket when they are too many, and those that cojson refuses do not", async () => {
    const harness = new RouterHarness();
    const refused = { action: "content", id: v.map.id, header: { type: "comap" }, new: {} };
    await harness.client(...Array(100).fill(refused));
    expect(harness.take()).toHaveLength(100);
    for (let n = 0; n < LIMITS.badMessages; n++) await harness.client("42");
    expect(harness.take()).toHaveLength(LIMITS.badMessages);
    await expect(harness.client("42")).rejects.toThrow(/messages that cannot be read/);
  });

  test("that begin with a header and go on with no JSON are refused, hold no memory, and others go on", async () => {
    const harness = new RouterHarness();
    // Long enough that only the envelope is read before its placement.
    const broken = JSON.stringify({ ...v.group.content, padding: "x".repeat(8_000) });
    const text = broken.replace('"newTransactions":[', '"newTransactions":[1 2,');
    expect(text).not.toBe(broken);
    await harness.client(text);
    expect(harness.take().map((message) => JSON.parse(message.text))).toMatchObject([
      { code: "bad-message", id: v.group.id },
    ]);
    expect(harness.pending.used).toBe(0);
    expect(harness.router.isSettled).toBe(true);
    await harness.client(v.group.content);
    expect(harness.sprite(v.group.id)).toHaveLength(1);
  });

  test("that reconcile are refused while a few batches are open, and linear in what they cost", async () => {
    const harness = new RouterHarness();
    const reconcile = (n: number) => ({
      action: "reconcile",
      id: `batch ${n}`,
      values: [[v.map.id, "hash"]],
    });
    await harness.client(...Array.from({ length: 20 }, (_, n) => reconcile(n)));
    const answers = harness.take().map(({ text }) => JSON.parse(text));
    const refused = answers.filter(({ code }) => code === "overloaded");
    expect(refused.map(({ id }) => id)).toEqual(Array.from({ length: 12 }, (_, n) => `batch ${n + 8}`));
    expect(answers.filter(({ action }) => action === "load")).toHaveLength(LIMITS.openReconciles);
    await harness.client({ action: "known", id: v.map.id, header: false, sessions: {} });
    expect(harness.take().filter(({ action }) => action === "reconcile-ack")).toHaveLength(8);
    await harness.client(reconcile(21));
    expect(harness.take()).toMatchObject([{ action: "load" }]);
  });
});
