import type { CoValueCore, LocalNode, SyncMessage } from "cojson";
import { authorOf } from "../shared/agent-keys.ts";
import type { CoValueHeader } from "../shared/header.ts";

type Content = Extract<SyncMessage, { action: "content" }>;
export type CoSessionId = keyof Content["new"];
type Author = Parameters<LocalNode["resolveAccountAgent"]>[0];

/**
 * Whether the author of a coSession has signed what content brings of it. The node checks that as well, but only once all
 * that the content depends on is here: which would be for anybody to say if it was not checked before. It costs hashing the
 * coSession from its beginning.
 * @param core what it continues, if anything; the author's account is in memory.
 * @returns `undefined` when something before it is missing.
 */
export function isSigned(
  node: LocalNode,
  core: CoValueCore | undefined,
  { id, new: parts }: Content,
  header: CoValueHeader,
  coSession: CoSessionId,
): boolean | undefined {
  const part = parts[coSession];
  if (!part) return false;
  const { after, newTransactions, lastSignature } = part;
  const known = core?.verified?.getSessions().get(coSession)?.transactions ?? [];
  if (known.length < after) return undefined;
  const all = [...known.slice(0, after), ...newTransactions];
  try {
    const signer = signerOf(node, id, header, authorOf(coSession));
    const map = node.crypto.createSessionMap(id, JSON.stringify(header));
    map.addTransactions(coSession, signer, JSON.stringify(all), lastSignature, false);
    return true;
  } catch {
    return false;
  }
}

function signerOf(node: LocalNode, id: string, { ruleset }: CoValueHeader, author: string) {
  const isOwn = author === id && ruleset.type === "group";
  const agent = (isOwn ? ruleset.initialAdmin : author) as Author;
  const { error, value } = node.resolveAccountAgent(agent, "the author of content");
  if (error || !value) throw new Error("the author's account is not here");
  return node.crypto.getAgentSignerID(value);
}
