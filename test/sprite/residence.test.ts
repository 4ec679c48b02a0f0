import type { RawGroup } from "cojson";
import { expect, test } from "vitest";
import type { CoValueHeader } from "../../shared/header.ts";
import { type CoValueId, parseCoValueId } from "../../shared/ids.ts";
import { Residence } from "../../sprite/residence.ts";
import { asGroupId, newAccount, newGroup } from "./support.ts";

const account = newAccount();
const { node } = account.core;
const idOf = (value: { id: string }): CoValueId => parseCoValueId(value.id) ?? asGroupId(value.id);

/** As an attacker would: cojson itself refuses circles. */
function claimParent(child: RawGroup, parent: RawGroup) {
  child.core.makeTransaction([{ op: "set", key: `parent_${parent.id}`, value: "extend" }], "trusting");
}

function candidate(group: RawGroup) {
  const transactions = [...group.core.verified.getSessions().values()].flatMap((log) => log.transactions);
  return { id: idOf(group), header: group.core.verified.header as CoValueHeader, transactions };
}

test("A circle of parents that does not reach the home is foreign; when one of it extends the home, all are resident", () => {
  const home = newGroup(account);
  const circle = [newGroup(account), newGroup(account), newGroup(account)] as const;
  const [a, b, c] = circle;
  claimParent(a, b);
  claimParent(b, c);
  claimParent(c, a);
  const residence = new Residence(asGroupId(home.id), node);
  for (const group of circle) expect(residence.isForeignGroup(group.core)).toBe(true);
  for (const group of circle) expect(residence.judge(candidate(group))).toBe("foreign");
  claimParent(c, home);
  for (const group of [...circle].reverse()) expect(residence.isForeignGroup(group.core)).toBe(false);
});

test("A long chain of parents is followed to its end", () => {
  const home = newGroup(account);
  let last = home;
  for (let n = 0; n < 40; n++) {
    const next = newGroup(account);
    claimParent(next, last);
    last = next;
  }
  const residence = new Residence(asGroupId(home.id), node);
  expect(residence.isForeignGroup(last.core)).toBe(false);
});

test("Residence outlasts the parent: placement is sticky", () => {
  const home = newGroup(account);
  const child = newGroup(account);
  child.extend(home);
  child.revokeExtend(home);
  expect(new Residence(asGroupId(home.id), node).isForeignGroup(child.core)).toBe(false);
});

test("What depends on a group that is not in memory names it, and is not decided", () => {
  const stranger = newGroup(newAccount());
  const changes = JSON.stringify([{ op: "set", key: `parent_${stranger.id}`, value: "extend" }]);
  const child = { ...candidate(newGroup(account)), transactions: [{ privacy: "trusting", changes }] };
  const residence = new Residence(asGroupId(newGroup(account).id), node);
  expect(residence.judge(child)).toEqual({ needs: stranger.id });
});

test("Accounts are no groups to follow, and a value without a group lives only in its own home", () => {
  const home = newGroup(account);
  const residence = new Residence(asGroupId(home.id), node);
  expect(residence.isForeignGroup(account.core)).toBe(false);
  const header = { type: "comap", ruleset: { type: "unsafeAllowAll" } } as const;
  expect(residence.judge({ id: idOf(newGroup(account)), header, transactions: [] })).toBe("foreign");
  expect(residence.judge({ id: idOf(home), header, transactions: [] })).toBe("resident");
});

test("In one process for all groups, everything is resident", () => {
  const residence = new Residence(undefined, node);
  const group = newGroup(account);
  expect(residence.judge(candidate(group))).toBe("resident");
  expect(residence.isForeignGroup(group.core)).toBe(false);
});
