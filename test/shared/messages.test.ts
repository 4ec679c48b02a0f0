import fc from "fast-check";
import { describe, expect, test, vi } from "vitest";
import { SpriteSyncError } from "../../shared/errors.ts";
import { splitFrame } from "../../shared/frames.ts";
import { LIMITS } from "../../shared/limits.ts";
import { type Message, parseMessage, parseMessageByScan, parseMessageSlowly } from "../../shared/messages.ts";
import { contentOf, newNode } from "../support/real-values.ts";

const ID = "co_zG5s72Q5GiScGCzWwhyWuH6JhjD";
const CO_SESSION = "co_zQVMHLerq9tc7NcL31jQDRTsrWU_session_zLHntbjFbNiC";

/** What a parser makes of a text: a message, or the code of its error. */
function outcome(parse: (text: string) => Message, text: string): unknown {
  try {
    return parse(text);
  } catch (error) {
    if (!(error instanceof SpriteSyncError)) throw error;
    return error.code;
  }
}

const anyText = fc.oneof(
  fc.string({ unit: "binary" }),
  fc.constantFrom('"', "\\", '\\"', "{}", "[", "]", "\u2028"),
);
const coSessionIds = fc.constantFrom(
  CO_SESSION,
  `${CO_SESSION}2`,
  "sealer_z1/signer_z2_session_z3",
  "__proto__",
  "bad",
);
const counts = fc.oneof(fc.nat(1000), fc.constantFrom<unknown>(-1, 1.5, "1", null, 2 ** 60));
const transactions = fc.oneof(
  fc.record({
    privacy: fc.constant("private"),
    madeAt: fc.nat(),
    keyUsed: anyText,
    encryptedChanges: anyText,
  }),
  fc.record({ privacy: fc.constant("trusting"), madeAt: fc.nat(), changes: fc.json() }),
  fc.jsonValue(),
);
const coSessionContents = fc.record(
  {
    after: counts,
    newTransactions: fc.oneof(fc.array(transactions), fc.jsonValue()),
    lastSignature: anyText,
  },
  { requiredKeys: [] },
);
const fields = fc.record(
  {
    action: fc.constantFrom("load", "known", "content", "done", "reconcile", "reconcile-ack", "other", 7),
    type: anyText,
    id: fc.constantFrom<unknown>(ID, "batch", "", 4, null),
    header: fc.constantFrom<unknown>(
      true,
      false,
      null,
      "no",
      { type: "comap", ruleset: { type: "group", initialAdmin: "x" }, meta: null, uniqueness: 'a"\\b' },
      { type: "comap", ruleset: { type: "ownedByGroup", group: ID }, meta: { a: [1] } },
      { type: "comap", ruleset: { type: "ownedByGroup", group: "nobody" } },
    ),
    sessions: fc.dictionary(coSessionIds, counts),
    isCorrection: fc.boolean(),
    new: fc.oneof(fc.dictionary(coSessionIds, coSessionContents), fc.jsonValue()),
    values: fc.oneof(fc.array(fc.tuple(fc.constantFrom(ID, "x"), anyText)), fc.jsonValue()),
    priority: fc.nat(7),
    "a future field": fc.jsonValue(),
  },
  { requiredKeys: [] },
);
/** Messages that can be read; what routing does not look at is whatever it is. */
const coSessionCounts = fc.dictionary(fc.constantFrom(CO_SESSION, `${CO_SESSION}2`), fc.nat(1000));
const state = { id: fc.constant(ID), header: fc.boolean(), sessions: coSessionCounts, extra: anyText };
const readable = fc.oneof(
  fc.record({ action: fc.constant("load"), ...state }),
  fc.record({ action: fc.constant("known"), ...state, isCorrection: fc.boolean() }),
  fc.record({
    action: fc.constant("content"),
    id: fc.constant(ID),
    new: fc.dictionary(
      fc.constantFrom(CO_SESSION, `${CO_SESSION}2`),
      fc.record({ after: fc.nat(1000), newTransactions: fc.array(transactions), lastSignature: anyText }),
    ),
  }),
  fc.record({ action: fc.constant("done"), id: fc.constant(ID) }),
  fc.record({
    action: fc.constant("reconcile"),
    id: fc.constant("batch"),
    values: fc.array(fc.tuple(fc.constant(ID), anyText)),
  }),
  fc.record({ action: fc.constant("reconcile-ack"), id: fc.constant("batch") }),
  fc.record({ type: anyText, time: fc.nat() }),
);
const texts = fc
  .tuple(fc.oneof(fields, readable, fc.jsonValue()), fc.constantFrom(undefined, 1, "\t", " \r "))
  .map(([value, space]) => JSON.stringify(value, undefined, space));

describe("reading a message by scan", () => {
  test("agrees with JSON.parse on every JSON text", () => {
    const seen = new Set<string>();
    fc.assert(
      fc.property(texts, (text) => {
        const slow = outcome(parseMessageSlowly, text);
        expect(outcome(parseMessageByScan, text)).toEqual(slow);
        seen.add(typeof slow === "string" ? slow : (slow as Message).action);
      }),
      { numRuns: 5000 },
    );
    // The run was not vacuous.
    for (const kind of [
      "load",
      "known",
      "content",
      "done",
      "reconcile",
      "reconcile-ack",
      "control",
      "bad-message",
    ]) {
      expect(seen).toContain(kind);
    }
  });

  test("never accepts a damaged text as something else than JSON.parse would", () => {
    const damaged = fc.tuple(texts, fc.nat(), fc.nat(3), anyText).map(([text, at, cut, insert]) => {
      const from = at % (text.length + 1);
      return text.slice(0, from) + insert + text.slice(from + cut);
    });
    fc.assert(
      fc.property(damaged, (text) => {
        const fast = outcome(parseMessageByScan, text);
        const slow = outcome(parseMessageSlowly, text);
        // Damage inside a value that routing does not read is for the Sprite to find: it parses everything.
        if (slow !== "bad-message" || typeof fast === "string") expect(fast).toEqual(slow);
      }),
      { numRuns: 5000 },
    );
  });

  test("reads the last of two equal keys, as JSON.parse does", () => {
    const text = `{"action":"done","id":"${ID}","action":"reconcile-ack","id":"b"}`;
    expect(parseMessageByScan(text)).toEqual({ action: "reconcile-ack", batch: "b", text });
  });

  test("leaves keys written with escapes to JSON.parse", () => {
    const text = `{"\\u0061ction":"done","id":"${ID}"}`;
    expect(parseMessageByScan(text)).toEqual({ action: "done", id: ID, text });
  });
});

describe("parseMessage", () => {
  test("reads what real cojson nodes send", async () => {
    const { node } = await newNode();
    const group = node.createGroup();
    const map = group.createMap({ title: 'with "quotes" and \\ slashes' });
    map.set("more", "text");
    const list = group.createList([1, 2, 3]);
    for (const value of [group, map, list]) {
      for (const text of contentOf(value)) {
        const message = parseMessage(text);
        expect(parseMessageByScan(text)).toEqual(parseMessageSlowly(text));
        if (message.action !== "content") throw new Error("not content");
        expect(message.id).toBe(value.id);
        expect(message.reaches).toEqual(value.core.knownState().sessions);
        expect(message.header).toEqual(value.core.verified?.header);
      }
    }
  });

  test.each([
    ["a number", "42"],
    ["null", "null"],
    ["an array", "[]"],
    ["nothing", ""],
    ["broken JSON", "{"],
    ["no action", "{}"],
    ["an unknown action", '{"action":"drop","id":"x"}'],
    ["a missing id", '{"action":"load","header":false,"sessions":{}}'],
    ["an id of another kind", '{"action":"load","id":7,"header":false,"sessions":{}}'],
    ["a header that is no boolean", `{"action":"load","id":"${ID}","header":1,"sessions":{}}`],
    ["sessions in an array", `{"action":"known","id":"${ID}","header":true,"sessions":[]}`],
    ["a negative count", `{"action":"known","id":"${ID}","header":true,"sessions":{"${CO_SESSION}":-1}}`],
    ["content without new", `{"action":"content","id":"${ID}"}`],
    ["text behind the message", `{"action":"done","id":"${ID}"} 7`],
  ])("refuses %s with a reason", (_, text) => {
    for (const parse of [parseMessage, parseMessageByScan]) expect(outcome(parse, text)).toBe("bad-message");
  });

  test("refuses a header that is far larger than any real one", () => {
    const header = {
      type: "comap",
      ruleset: { type: "unsafeAllowAll" },
      meta: { padding: "x".repeat(100_000) },
      uniqueness: null,
    };
    expect(() => parseMessage(JSON.stringify({ action: "content", id: ID, header, new: {} }))).toThrow(
      /header.*65536/,
    );
  });

  test("does not quote what it refuses", () => {
    expect(() =>
      parseMessage(`{"action":"load","id":"${ID}","header":"secret-thing","sessions":{}}`),
    ).toThrow(expect.objectContaining({ message: expect.not.stringContaining("secret-thing") }));
  });
});

/** By what is in the member that is too large. */
const EXCESSES: Readonly<Record<string, string>> = {
  "a header of many objects": `{"action":"content","id":"${ID}","new":{},"header":{"meta":{"a":[${"{},".repeat(40_000)}{}]}}}`,
  "a known state of many coSessions": `{"action":"load","id":"${ID}","header":true,"sessions":{${Array.from(
    { length: LIMITS.coSessions + 1 },
    (_, n) => `"${CO_SESSION}${"A".repeat(n % 7)}${n}":1`,
  ).join(",")}}}`,
  "a reconciliation of many lists": `{"action":"reconcile","id":"b","values":[${"[],".repeat(40_000)}[]]}`,
  "an id of many lists": `{"action":"load","id":[${"[],".repeat(40_000)}[]],"header":true,"sessions":{}}`,
  "a transaction of many lists": `{"action":"content","id":"${ID}","new":{"${CO_SESSION}":{"after":0,"newTransactions":[{"a":[${"[],".repeat(LIMITS.jsonElements / 2)}[]]}]}}}`,
  "a name with an escape before many lists": `{"\\u0061":[${"[],".repeat(LIMITS.jsonElements)}[]]}`,
};

describe("what a message may hold", () => {
  test.each(Object.entries(EXCESSES))("is bounded before it is parsed: %s", (_, text) => {
    const parse = vi.spyOn(JSON, "parse");
    try {
      expect(() => parseMessage(text)).toThrow(expect.objectContaining({ code: "too-large" }));
      for (const [parsed] of parse.mock.calls) expect(parsed.length).toBeLessThan(LIMITS.headerChars);
    } finally {
      parse.mockRestore();
    }
  });

  test.each([
    ["alone", "[".repeat(1_000_000)],
    ["in a message", `{"action":"load","id":"${ID}","header":${"[".repeat(1_000_000)}`],
    ["in a whole message", `{"action":"done","id":"${ID}","a":${"[".repeat(100_000)}${"]".repeat(100_000)}}`],
  ])("is not deeper than an app's: brackets %s", (_, text) => {
    expect(() => parseMessage(text)).toThrow(expect.objectContaining({ code: "bad-message" }));
  });

  test("has room for the largest that honest clients send", () => {
    const transaction = '{"privacy":"trusting","madeAt":1700000000000,"changes":"[]"}';
    const content = (transactions: string) =>
      `{"action":"content","id":"${ID}","priority":3,"new":{"${CO_SESSION}":{"after":0,"newTransactions":[${transactions}],"lastSignature":"s"}}}`;
    const most = parseMessage(content(Array(50_000).fill(transaction).join(",")));
    expect(most).toMatchObject({ reaches: { [CO_SESSION]: 50_000 } });
    const large = content(transaction.replace("[]", "x".repeat(15 * 1024 * 1024)));
    expect(parseMessage(large)).toMatchObject({ reaches: { [CO_SESSION]: 1 } });
    const values = Array.from({ length: LIMITS.reconcileValues }, () => [ID, "hash"]);
    expect(parseMessage(JSON.stringify({ action: "reconcile", id: "b", values }))).toMatchObject({ values });
    const sessions = Object.fromEntries(
      Array.from({ length: LIMITS.coSessions }, (_, n) => [
        `${CO_SESSION}${n.toString(8).replaceAll("0", "9")}`,
        1,
      ]),
    );
    const known = JSON.stringify({ action: "known", id: ID, header: true, sessions });
    expect(parseMessage(known)).toMatchObject({ state: { sessions } });
  });
});

describe("splitFrame", () => {
  test("finds the messages that cojson-transport-ws joins by line feeds", () => {
    expect(splitFrame('{"a":"\\n"}\n{"b":1}')).toEqual(['{"a":"\\n"}', '{"b":1}']);
  });

  test("refuses a frame of more messages than any client joins, before it is split", () => {
    const frame = (messages: number) => Array(messages).fill('{"type":"ping"}').join("\n");
    expect(splitFrame(frame(LIMITS.frameMessages))).toHaveLength(LIMITS.frameMessages);
    expect(() => splitFrame(frame(LIMITS.frameMessages + 1))).toThrow(/more than 4096 messages/);
    expect(() => splitFrame("\n".repeat(1_000_000))).toThrow(/more than 4096 messages/);
  });

  test("refuses binary frames and frames beyond Cloudflare's limit", () => {
    expect(() => splitFrame(new ArrayBuffer(4))).toThrow(/binary/);
    expect(() => splitFrame("x".repeat(32 * 1024 * 1024))).toThrow(/over/);
  });
});
