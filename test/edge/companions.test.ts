import { expect, test } from "vitest";
import { Companions } from "../../edge/companions.ts";
import { idFromHash } from "../../shared/ids.ts";
import { type ContentMessage, type KnownMessage, parseMessage } from "../../shared/messages.ts";
import { newRemembered } from "../support/remembered.ts";

const CO_SESSION = "co_zAuthor_session_z1";
const idOf = (n: number) => idFromHash(new Uint8Array(19).fill(n % 256).fill(1 + (n >> 8), 18));
const known = (n: number, count: number, extra = {}) =>
  parseMessage(
    JSON.stringify({
      action: "known",
      id: idOf(n),
      header: true,
      sessions: { [CO_SESSION]: count },
      ...extra,
    }),
  ) as KnownMessage;
const content = (n: number, after: number) => {
  const entry = { after, newTransactions: [1], lastSignature: "s" };
  return parseMessage(
    JSON.stringify({ action: "content", id: idOf(n), priority: 0, new: { [CO_SESSION]: entry } }),
  ) as ContentMessage;
};

test("what the client says it has is no news; more of it is, and all of it once the client takes that back", () => {
  const companions = new Companions(newRemembered());
  expect(companions.has(content(1, 0))).toBe(false);
  companions.clientKnows(known(1, 1));
  companions.clientKnows(known(1, 2));
  expect([0, 1, 2].map((after) => companions.has(content(1, after)))).toEqual([true, true, false]);
  companions.clientKnows(known(1, 1, { isCorrection: true }));
  expect([0, 1].map((after) => companions.has(content(1, after)))).toEqual([true, false]);
  companions.clientKnows(known(1, 0, { header: false, sessions: {} }));
  expect(companions.has(content(1, 0))).toBe(false);
  companions.clientKnows(known(1, 5));
  companions.forget(content(1, 0).id);
  expect(companions.has(content(1, 0))).toBe(false);
});

test("of very many it remembers those that were spoken of last, within a bound in characters, and no huge one", () => {
  const companions = new Companions(newRemembered());
  const { length } = known(2_000, 1).text;
  const many = Math.floor((256 * 1024) / length);
  for (let n = 0; n < many + 500; n++) {
    companions.clientKnows(known(n, 1));
    companions.clientKnows(known(0, 1));
  }
  const remembered = Array.from({ length: many + 500 }, (_, n) => companions.has(content(n, 0)));
  expect([remembered[0], remembered[1], remembered.at(-1)]).toEqual([true, false, true]);
  const count = remembered.filter(Boolean).length;
  expect(count).toBeGreaterThan(many * 0.9);
  expect(count).toBeLessThan(many * 1.1);
  companions.clientKnows(known(0, 1, { padding: "x".repeat(300_000) }));
  expect(companions.has(content(0, 0))).toBe(false);
  expect(companions.has(content(many + 499, 0))).toBe(true);
});
