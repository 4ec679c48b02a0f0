import { describe, expect, test } from "vitest";
import {
  idOfHeader,
  isAccountHeader,
  isCoValueHeader,
  isGroupHeader,
  provesId,
} from "../../shared/header.ts";
import { parseMessage, transactionsOf } from "../../shared/messages.ts";
import { leaderOf, type PlacementPolicy, parentsIn } from "../../shared/placement.ts";
import { contentOf, idOf, newNode } from "../support/real-values.ts";

describe("headers", () => {
  test("of real accounts, groups and values prove their ids", async () => {
    const { node, accountID } = await newNode();
    const group = node.createGroup();
    for (const value of [
      group,
      group.createMap({ a: 1 }),
      group.createList(),
      group.createStream(),
      group.createPlainText("x"),
    ]) {
      const header: unknown = JSON.parse(JSON.stringify(value.core.verified?.header));
      if (!isCoValueHeader(header)) throw new Error("not a header");
      expect(idOfHeader(header)).toBe(value.id);
      expect(provesId(idOf(value), header)).toBe(true);
      expect(provesId(idOf({ id: accountID }), header)).toBe(false);
      expect(isGroupHeader(header)).toBe(value === group);
    }
    const account: unknown = JSON.parse(JSON.stringify(node.expectCoValueLoaded(accountID).verified.header));
    expect(
      isCoValueHeader(account) && isAccountHeader(account) && provesId(idOf({ id: accountID }), account),
    ).toBe(true);
  });

  test("nested beyond reason prove nothing and break nothing", () => {
    const deep: unknown = JSON.parse(`${'{"a":'.repeat(50_000)}1${"}".repeat(50_000)}`);
    const header = { type: "comap", ruleset: { type: "unsafeAllowAll" }, meta: { deep } };
    expect(isCoValueHeader(header) && provesId(idOf({ id: "co_zG5s72Q5GiScGCzWwhyWuH6JhjD" }), header)).toBe(
      false,
    );
  });
});

describe("placement", () => {
  async function family() {
    const { node, accountID } = await newNode();
    const parent = node.createGroup();
    const child = node.createGroup();
    child.extend(parent);
    return { parent, child, value: child.createMap({ a: 1 }), accountID };
  }

  function leader(policy: PlacementPolicy, value: Parameters<typeof contentOf>[0]) {
    const message = parseMessage(contentOf(value)[0] ?? "");
    if (message.action !== "content" || !message.header) throw new Error("no first content");
    return leaderOf(policy, message.header, transactionsOf(message));
  }

  test.each(["root", "group", "account"] as const)(
    "with policy %s a value lives with its group",
    async (policy) => {
      const { child, value } = await family();
      expect(leader(policy, value)).toBe(child.id);
    },
  );

  test("a group that extends a parent from the start lives with it, unless every group is its own home", async () => {
    const { parent, child } = await family();
    expect(leader("root", child)).toBe(parent.id);
    expect(leader("account", child)).toBe(parent.id);
    expect(leader("group", child)).toBeUndefined();
  });

  test("a group without a parent is its own home, or lives with its creator's account", async () => {
    const { parent, accountID } = await family();
    expect(leader("root", parent)).toBeUndefined();
    expect(leader("group", parent)).toBeUndefined();
    expect(leader("account", parent)).toBe(accountID);
  });

  test("an account is its own home under every policy", async () => {
    const { node, accountID } = await newNode();
    const core = node.expectCoValueLoaded(accountID);
    for (const policy of ["root", "group", "account"] as const)
      expect(leader(policy, { core })).toBeUndefined();
  });

  test("revoked parents, private transactions and unreadable changes lead nowhere", () => {
    const set = (value: string) =>
      JSON.stringify([{ op: "set", key: "parent_co_zG5s72Q5GiScGCzWwhyWuH6JhjD", value }]);
    expect([...parentsIn([{ privacy: "trusting", changes: set("revoked") }])]).toEqual([]);
    expect([...parentsIn([{ privacy: "private", changes: set("extend") }])]).toEqual([]);
    expect([
      ...parentsIn([
        { privacy: "trusting", changes: "[parent_" },
        { privacy: "trusting", changes: "7parent_" },
      ]),
    ]).toEqual([]);
    expect([
      ...parentsIn([
        { privacy: "trusting", changes: '[null,"parent_"]' },
        { privacy: "trusting", changes: set("extend") },
      ]),
    ]).toHaveLength(1);
  });
});
