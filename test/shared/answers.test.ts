import { describe, expect, test } from "vitest";
import { answerImpossible, answerUnreadable, idIn } from "../../shared/answers.ts";
import { SpriteSyncError } from "../../shared/errors.ts";
import { parseMessage } from "../../shared/messages.ts";

const ID = "co_zG5s72Q5GiScGCzWwhyWuH6JhjD";
const LARGE = "x".repeat(10_000);

function answerTo(message: object): unknown {
  const read = parseMessage(JSON.stringify(message));
  if (read.action !== "impossible") throw new Error(`${read.action} is not about an impossible id`);
  return JSON.parse(answerImpossible(read));
}

describe("a message about an id that no header hashes to", () => {
  const load = { action: "load", header: false, sessions: {} };

  test.each([
    "",
    "list",
    "co_z",
    "co_z0OIl",
    `co_z${"2".repeat(19)}`,
    `co_z${"z".repeat(26)}`,
    "x".repeat(1_024),
    "\ud800",
  ])("that loads %j hears that it is not there", (id) => {
    expect(answerTo({ ...load, id })).toEqual({ action: "known", id, header: false, sessions: {} });
  });

  test("that loads a very long one hears the rule, and not all of the id", () => {
    const answer = answerTo({ ...load, id: "x".repeat(1_000_000) });
    expect(answer).toMatchObject({ type: "error", code: "bad-message", id: `${"x".repeat(64)}…` });
    expect(answer).toHaveProperty("message", expect.stringMatching(/19 bytes.*1000000 characters.*1024/));
  });

  test.each(["content", "known", "done"])("that is a `%s` is refused by an error that names it", (action) => {
    expect(answerTo({ action, id: "co_zshort" })).toMatchObject({ type: "error", id: "co_zshort" });
    expect(answerTo({ action, id: LARGE })).toMatchObject({ id: `${"x".repeat(64)}…` });
  });

  test("is left out of a reconciliation, which is about the others", () => {
    const values = [
      ["co_zshort", "1"],
      [ID, "2"],
      [LARGE, "3"],
    ];
    const message = parseMessage(JSON.stringify({ action: "reconcile", id: "batch", values }));
    expect(message).toMatchObject({ action: "reconcile", batch: "batch", values: [[ID, "2"]] });
    expect(JSON.parse(message.text)).toEqual({ action: "reconcile", id: "batch", values: [[ID, "2"]] });
  });
});

describe("the id in a message that is refused", () => {
  test.each([
    ["a short message", `{"action":"content","id":"${ID}","new":7}`],
    ["a message with spaces", `{ "action" : "load" , "id" : "${ID}" }`],
    ["a message that ends with it", `{"action":"content","new":{"id":"other","a":"${LARGE}"},"id":"${ID}"}`],
    ["what is not JSON", `{"action":"content","id":"${ID}","new":`],
    ["a message with an escaped name", `{"id":"${ID}","\\u0061":1}`],
  ])("is found in %s", (_, text) => {
    expect(idIn(text)).toBe(ID);
  });

  test.each(["", "7", "null", "[]", '{"id":7}', '{"new":{"id":"other"}}', LARGE])(
    "is not found in %s",
    (text) => {
      expect(idIn(text.slice(0, 100))).toBeUndefined();
    },
  );

  test("is named by the error that answers it", () => {
    const error = new SpriteSyncError("bad-message", "no");
    expect(JSON.parse(answerUnreadable(error, `{"id":"${ID}"}`))).toMatchObject({
      code: "bad-message",
      id: ID,
    });
  });
});
