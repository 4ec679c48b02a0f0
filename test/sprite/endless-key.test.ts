import type { RawAccount, SessionID } from "cojson";
import { expect, test } from "vitest";
import { until } from "../support/until.ts";
import { startProcess } from "./own-process.ts";
import { contentOf, crypto, listen, newAccount, temporaryDirectory } from "./support.ts";

/** Native code decodes base58 in time that grows with the square of its length: this would take minutes. */
const ENDLESS_KEY = `keySecret_z${"z".repeat(1_000_000)}`;
const KEY_ID = "key_z3NdBqbKzYdpsv52VS";

/** The account's content, and after it a private transaction whose read key is the endless one. */
function accountContent(account: RawAccount) {
  account.set(`${KEY_ID}_for_everyone` as never, ENDLESS_KEY as never, "trusting");
  const [content] = contentOf(account.core.node, account.id);
  const [[coSession = "", batch] = []] = Object.entries(content?.new ?? {});
  if (!content || !batch) throw new Error("the account is empty");
  const agent = account.core.node.getCurrentAgent();
  const map = crypto.createSessionMap(account.id, JSON.stringify(content.header));
  map.addTransactions(
    coSession,
    agent.currentSignerID(),
    JSON.stringify(batch.newTransactions),
    batch.lastSignature,
    false,
  );
  const { secret } = crypto.newRandomKeySecret();
  const args = [coSession, agent.currentSignerSecret(), "[]", KEY_ID, secret, undefined, Date.now()] as const;
  const { signature, transaction } = JSON.parse(map.makeNewPrivateTransaction(...args));
  const after = batch.newTransactions.length;
  const more = { after, newTransactions: [transaction], lastSignature: signature };
  return [content, { ...content, header: undefined, new: { [coSession as SessionID]: more } }];
}

test("A read key of a million digits, written into an account, does not hold up the Sprite that reads the account", async () => {
  const account = newAccount();
  const { node } = account.core;
  const value = node.createCoValue({
    type: "comap",
    ruleset: { type: "ownedByGroup", group: account.id },
    meta: null,
    uniqueness: "deleted",
  });
  // To see whether its author may delete it, the Sprite reads the account.
  value.deleteCoValue();
  const deletion = contentOf(node, value.id);
  const sprite = await startProcess(account.id, temporaryDirectory());
  const attacker = await listen(sprite);
  for (const content of [...accountContent(account), ...deletion]) attacker.send(content);

  // It has read the account, found that its author may delete the value, and stored that.
  const known = () => attacker.of("known").find(({ id, header }) => id === value.id && header === true);
  const answer = await until(known, { what: "the deletion to be acknowledged" });
  expect(Object.keys(answer.sessions as object)).toEqual([expect.stringMatching(/_session_d.*\$$/)]);
});
