import type { LocalNode, RawAccount, RawCoID, RawGroup } from "cojson";
import { connect, contentOf, crypto, newAccount, type TestSprite } from "./support.ts";

/** Somebody with a node of its own, which has only what it wrote and what it was given. */
export interface Actor {
  readonly name: string;
  readonly account: RawAccount;
  readonly node: LocalNode;
  /** What it wrote. */
  readonly values: RawCoID[];
}

export function actor(name: string): Actor {
  const account = newAccount();
  return { name, account, node: account.core.node, values: [] };
}

/** Creates a value in a group and writes into it, as a client offline does: the group need not be here. */
export function writeInto(author: Actor, group: RawCoID, text = author.name): RawCoID {
  const core = author.node.createCoValue({
    type: "comap",
    ruleset: { type: "ownedByGroup", group },
    meta: null,
    ...crypto.createdNowUnique(),
  });
  core.makeTransaction([{ op: "set", key: "by", value: text }], "trusting");
  author.values.push(core.id);
  return core.id;
}

/** Gives an actor what another has of values, with what they depend on. */
export function give(to: Actor, from: Actor, ...ids: RawCoID[]): void {
  for (const id of ids) {
    for (const message of contentOf(from.node, id)) to.node.syncManager.handleNewContent(message, "import");
  }
}

export function groupAt(of: Actor, id: RawCoID): RawGroup {
  return of.node.expectCoValueLoaded(id).getCurrentContent() as RawGroup;
}

export async function comeOnline(who: Actor, sprite: TestSprite): Promise<() => void> {
  const { close } = await connect(who.node, sprite);
  return close;
}
