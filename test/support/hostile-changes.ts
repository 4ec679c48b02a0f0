import type { RawAccount, RawCoID, RawCoValue } from "cojson";

const ITEM = { sessionID: "co_zx_session_zx", txIndex: 0, changeIdx: 0 };

/** What a transaction may hold that cojson follows without a look: its changes, and its meta. */
export type Hostile = readonly [changes: string, meta?: string];

/** For which cojson throws in a group, for its owner and all readers. */
export const IN_A_GROUP: Readonly<Record<string, Hostile>> = {
  "a change that is null": ["[null]"],
  "a key that is a number": ['[{"op":"set","key":5,"value":"admin"}]'],
  "no key": ['[{"op":"set","value":"admin"}]'],
  "a key that is a list": ['[{"op":"set","key":["co_z"],"value":"admin"}]'],
  "no list, but as long as one": ['{"length":1}'],
  "the number 1": ["1"],
  "no JSON": ["[1 2]"],
  "meta that is a number": ["[]", "5"],
  "a merge by a coSession that is a number": ["[]", '{"mi":0,"s":5}'],
};

/** The same in a list. */
export const IN_A_LIST: Readonly<Record<string, Hostile>> = {
  "a change that is null": ["[null]"],
  "an unknown operation": ['[{"op":"turn"}]'],
  "a deletion of nothing": ['[{"op":"del","insertion":null}]'],
  "an item before nothing": ['[{"op":"pre","before":null,"value":1}]'],
  "an item behind an object that has no text": [
    JSON.stringify([{ op: "app", after: { ...ITEM, sessionID: { toString: 5 } }, value: 1 }]),
  ],
  "a long unknown operation": [JSON.stringify([{ value: "x".repeat(9_000), op: "turn" }])],
};

/** Content with one transaction that `author` has validly signed, first of a coSession of its own. */
export function signedContent(author: RawAccount, { core }: RawCoValue, [changes, meta]: Hostile) {
  const { node } = author.core;
  const { crypto } = node;
  const id = core.id as RawCoID;
  const coSession = crypto.newRandomSessionID(author.id as Parameters<typeof crypto.newRandomSessionID>[0]);
  const log = crypto.createSessionMap(id, JSON.stringify(core.verified?.header));
  const secret = node.getCurrentAgent().currentSignerSecret();
  const made = log.makeNewTrustingTransaction(coSession, secret, changes, meta, Date.now());
  const { signature, transaction } = JSON.parse(made) as { signature: string; transaction: object };
  const batch = { after: 0, newTransactions: [transaction], lastSignature: signature };
  return { action: "content", id, priority: 0, new: { [coSession]: batch } };
}
