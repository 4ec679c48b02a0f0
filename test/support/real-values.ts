import { type CoValueCore, LocalNode } from "cojson";
import { type CoValueId, parseCoValueId } from "../../shared/ids.ts";
import { crypto } from "./crypto.ts";

/** A cojson node with a new account, connected to nothing. */
export async function newNode(name = "tester") {
  const { node, accountID } = await LocalNode.withNewlyCreatedAccount({ creationProps: { name }, crypto });
  return { node, accountID, crypto };
}

/** The content messages, as text, that bring all of a value to somebody who has nothing of it. */
export function contentOf(value: { core: CoValueCore }): string[] {
  const pieces = value.core.newContentSince(undefined) ?? [];
  return pieces.map((piece) => JSON.stringify(piece));
}

/** A cojson id as ours. */
export function idOf(value: { id: string }): CoValueId {
  const id = parseCoValueId(value.id);
  if (!id) throw new Error(`${value.id} is not the id of a CoValue`);
  return id;
}
