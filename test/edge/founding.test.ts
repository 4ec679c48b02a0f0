import { beforeAll, describe, expect, test } from "vitest";
import { SignedCreations } from "../../edge/creation-proof.ts";
import { LIMITS } from "../../shared/limits.ts";
import { contentOf, newNode } from "../support/real-values.ts";
import { MemoryShards, RouterHarness } from "./router-harness.ts";

async function values() {
  const { node, accountID } = await newNode();
  const group = node.createGroup();
  const child = node.createGroup();
  child.extend(group);
  const first = (value: Parameters<typeof contentOf>[0]) => JSON.parse(contentOf(value)[0] ?? "");
  const [map, other] = [group.createMap({ a: 1 }), group.createMap({ b: 1 })];
  return {
    account: { id: accountID as string, content: first({ core: node.expectCoValueLoaded(accountID) }) },
    group: { id: group.id as string, content: first(group) },
    child: { id: child.id as string, content: first(child) },
    map: { id: map.id as string, content: first(map) },
    other: { id: other.id as string, content: first(other) },
  };
}

let v: Awaited<ReturnType<typeof values>>;
beforeAll(async () => {
  v = await values();
});

/** cojson refuses that, so the second one's transaction is written below it. */
async function groupsThatExtendEachOther() {
  const { node, accountID } = await newNode();
  const [one, two] = [node.createGroup(), node.createGroup()];
  const first = (value: Parameters<typeof contentOf>[0]) => JSON.parse(contentOf(value)[0] ?? "");
  one.extend(two);
  two.core.makeTransaction([{ op: "set", key: `parent_${one.id}`, value: "extend" }], "trusting");
  const account = first({ core: node.expectCoValueLoaded(accountID) });
  return [
    { account, content: first(one) },
    { account, content: first(two) },
  ] as const;
}

const bare = ({ content }: { content: object }) => ({ ...content, new: {} });
const missing = (id: string) => ({ action: "known", id, header: false, sessions: {} });
const newHarness = () => new RouterHarness(new MemoryShards(), "root", undefined, new SignedCreations());
const errorsIn = (harness: RouterHarness) =>
  harness.take().flatMap(({ text }) => {
    const { type, code, id } = JSON.parse(text);
    return type === "error" ? [[code, id]] : [];
  });

/** Ends as many pauses as anything is waited for. */
async function loseHope(harness: RouterHarness): Promise<void> {
  for (let n = 0; n <= LIMITS.foundingPauses; n++) await harness.retry();
}

describe("what makes no home", () => {
  test("a bare header: its sender hears so after a while, and neither the directory nor a Sprite ever does", async () => {
    const harness = newHarness();
    await harness.client(v.account.content, bare(v.group));
    harness.take();
    await loseHope(harness);
    expect(errorsIn(harness)).toEqual([["unproven", v.group.id]]);
    expect([...harness.shards.homes.keys()]).toEqual([v.account.id]);
    expect(harness.router.isSettled).toBe(false);
    expect(harness.toSprites.has(v.group.id as never)).toBe(false);
  });

  test("values of an invented group: all are refused, after one question", async () => {
    const harness = newHarness();
    await harness.client(v.map.content, v.other.content);
    await harness.retry();
    expect(harness.take()).toMatchObject([{ action: "load", id: v.group.id }]);
    await harness.client(missing(v.group.id));
    expect(errorsIn(harness)).toEqual([
      ["missing-dependency", v.map.id],
      ["missing-dependency", v.other.id],
    ]);
    expect(harness.shards.homes.size).toBe(0);
    expect(harness.router.isSettled).toBe(true);
  });

  test("a wrong signature: refused at once, with the values that waited for the group", async () => {
    const harness = newHarness();
    const [key = ""] = Object.keys(v.group.content.new);
    const piece = {
      ...v.group.content.new[key],
      newTransactions: [{ privacy: "trusting", madeAt: 1, changes: "[]" }],
    };
    await harness.client(v.account.content, v.map.content, { ...v.group.content, new: { [key]: piece } });
    expect(errorsIn(harness)).toEqual([
      ["unproven", v.group.id],
      ["missing-dependency", v.map.id],
    ]);
    expect([...harness.shards.homes.keys()]).toEqual([v.account.id]);
  });

  test("a group whose account the client does not have: refused when it says so, with what lives with the group", async () => {
    const harness = newHarness();
    await harness.client(v.group.content, v.child.content);
    await harness.client(missing(v.account.id));
    expect(errorsIn(harness)).toContainEqual(["unproven", v.group.id]);
    expect(harness.shards.homes.size).toBe(0);
  });

  test("groups that extend each other: none of them is waited for without end", async () => {
    const harness = newHarness();
    const [one, two] = await groupsThatExtendEachOther();
    await harness.client(one.account, one.content, two.content);
    const homes = [one, two].map(({ content }) => harness.shards.homes.get(content.id));
    expect(homes[0]).toBe(homes[1]);
    expect(harness.sprite(homes[0] ?? "")).toHaveLength(2);
  });
});

describe("an honest client", () => {
  test("that made its account earlier is asked for it, and its home is not woken by the answer", async () => {
    const shards = new MemoryShards();
    shards.homes.set(v.account.id, v.account.id);
    const harness = new RouterHarness(shards, "root", undefined, new SignedCreations());
    await harness.client(v.group.content, v.map.content);
    expect(harness.take()).toMatchObject([{ action: "load", id: v.account.id }]);
    await harness.client(v.account.content);
    expect(harness.sprite(v.group.id)).toHaveLength(2);
    await harness.client(v.child.content);
    expect(harness.take()).toEqual([]);
    expect(harness.sprite(v.group.id)).toHaveLength(3);
  });

  test("whose transactions come behind the header gets its home with them", async () => {
    const harness = newHarness();
    const { header: _, ...transactions } = v.group.content;
    await harness.client(v.account.content, bare(v.group), v.map.content);
    expect(harness.toSprites.has(v.group.id as never)).toBe(false);
    await harness.client(transactions);
    expect(harness.sprite(v.group.id).map(({ action }) => action)).toEqual(["content", "content", "content"]);
    await loseHope(harness);
    expect(errorsIn(harness)).toEqual([]);
  });

  test("whose group was stored by another session meanwhile goes on with it", async () => {
    const harness = newHarness();
    await harness.client(v.map.content);
    harness.shards.homes.set(v.group.id, v.group.id);
    await harness.retry();
    expect(harness.sprite(v.group.id)).toHaveLength(1);
  });

  test("whose group extends one that was never stored gets a home of its own for it", async () => {
    const harness = newHarness();
    await harness.client(v.account.content, v.child.content);
    await harness.retry();
    await harness.client(missing(v.group.id));
    expect(harness.shards.homes.get(v.child.id)).toBe(v.child.id);
    expect(harness.shards.homes.has(v.group.id)).toBe(false);
  });
});
