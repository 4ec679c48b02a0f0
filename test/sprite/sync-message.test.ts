import fc from "fast-check";
import { expect, test } from "vitest";
import { SpriteSyncError } from "../../shared/errors.ts";
import { parseMessage } from "../../shared/messages.ts";
import { KeyCheck } from "../../sprite/key-check.ts";
import { isReattach, readSyncMessage } from "../../sprite/sync-message.ts";
import { contentOf, crypto, newAccount, newGroup } from "./support.ts";

const account = newAccount();
const group = newGroup(account);
const map = group.createMap();
map.set("public", 1, "trusting");
map.set("secret", 2, "private");
const [genuine] = contentOf(account.core.node, map.id);
const [coSession, batch] = Object.entries(genuine?.new ?? {})[0] ?? [];

const keys = new KeyCheck(crypto);
const read = (message: unknown) => readSyncMessage(parseMessage(JSON.stringify(message)), keys);
const withBatch = (changes: object) => ({ ...genuine, new: { [coSession ?? ""]: { ...batch, ...changes } } });
const withTransaction = (changes: object) =>
  withBatch({
    newTransactions: batch?.newTransactions.map((transaction) => ({ ...transaction, ...changes })),
  });

test("Genuine content passes unchanged", () => {
  expect(read(genuine)).toEqual(JSON.parse(JSON.stringify(genuine)));
  for (const content of contentOf(account.core.node, account.id)) read(content);
});

test.each([
  ["a priority that is text", { ...genuine, priority: "high" }, "priority"],
  ["no priority", { ...genuine, priority: undefined }, "priority"],
  ["a branch of nothing", { ...genuine, header: { ...genuine?.header, meta: { source: 5 } } }, "source"],
  ["no signature", withBatch({ lastSignature: undefined }), "lastSignature"],
  ["a signature that is none", withBatch({ lastSignature: "signature_z0OIl" }), "lastSignature"],
  ["a transaction that is null", withBatch({ newTransactions: [null] }), "newTransactions"],
  ["a transaction that is a list", withBatch({ newTransactions: [[]] }), "newTransactions"],
  ["an unknown privacy", withTransaction({ privacy: "public" }), "privacy"],
  ["no time", withTransaction({ madeAt: undefined }), "madeAt"],
  ["a time that is text", withTransaction({ madeAt: "now" }), "madeAt"],
  ["meta that is an object", withTransaction({ meta: {} }), "meta"],
  ["changes that are no text", withTransaction({ privacy: "trusting", changes: [] }), "changes"],
  [
    "no encrypted changes",
    withTransaction({ privacy: "private", encryptedChanges: undefined }),
    "encryptedChanges",
  ],
  [
    "no key for encrypted changes",
    withTransaction({ privacy: "private", encryptedChanges: "encrypted_U", keyUsed: 5 }),
    "keyUsed",
  ],
])("Content with %s is refused, naming what is wrong", (_, message, member) => {
  expect(() => read(message)).toThrow(new RegExp(`\`.*${member}`));
});

test("Whatever stands where a transaction should, it is taken whole or refused as a bad message", () => {
  fc.assert(
    fc.property(fc.array(fc.jsonValue(), { minLength: 1 }), (newTransactions) => {
      try {
        read(withBatch({ newTransactions }));
      } catch (error) {
        return error instanceof SpriteSyncError && error.code === "bad-message";
      }
      return false;
    }),
  );
});

test("Only a load that says so is a re-attach", () => {
  const load = { action: "load", id: map.id, header: false, sessions: {} };
  expect(isReattach(read({ ...load, reattach: true }))).toBe(true);
  expect(isReattach(read({ ...load, reattach: "yes" }))).toBe(false);
  expect(isReattach(read(load))).toBe(false);
  expect(isReattach(read({ ...load, action: "known", reattach: true }))).toBe(false);
});
