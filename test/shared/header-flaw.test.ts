import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { idOfHeader } from "../../shared/header.ts";
import { flawOfHeader } from "../../shared/header-flaw.ts";
import { crypto } from "../support/crypto.ts";
import { nested, ODD_HEADERS, odd } from "../support/odd-headers.ts";
import { contentOf, newNode } from "../support/real-values.ts";

/** Whether cojson's native core takes a header with the id that it hashes to. */
function isTaken(header: unknown): boolean {
  try {
    crypto.createSessionMap(idOfHeader(header) as `co_z${string}`, JSON.stringify(header));
    return true;
  } catch {
    return false;
  }
}

const text = fc.oneof(
  fc.string({ maxLength: 6 }),
  fc.string({ unit: "binary", maxLength: 4 }),
  fc.string({ unit: fc.nat(0xffff).map((code) => String.fromCharCode(code)), maxLength: 2 }),
  fc.constantFrom(
    'encrypted_U"',
    "encrypted_Uabc",
    "binary_U\n",
    "binary_Ué",
    "\u{10000}",
    "\uffff",
    "\ue000",
  ),
);
const number = fc.oneof(
  fc.integer(),
  fc.maxSafeInteger(),
  fc.double({ noNaN: true, noDefaultInfinity: true, noInteger: true }),
  fc.constantFrom(
    -0,
    2 ** 63,
    -(2 ** 63),
    2 ** 63 - 1024,
    -(2 ** 63) + 1024,
    2 ** 64,
    2 ** 64 - 2048,
    1e20,
    1e21,
  ),
  fc.constantFrom(1e-5, 1.5e-5, 9.9e-6, 1e-6, 9e-7),
);
const json = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: "small" },
    fc.constant(null),
    fc.boolean(),
    number,
    text,
    fc.array(tie("value"), { maxLength: 3 }),
    fc.dictionary(text, tie("value"), { maxKeys: 3 }),
  ),
})).value;
const meta = fc.oneof(fc.constant(null), fc.dictionary(text, json, { maxKeys: 4 }));
const uniqueness = fc.oneof(
  text,
  number,
  fc.boolean(),
  fc.constant(null),
  fc.dictionary(text, text, { maxKeys: 3 }),
);
const ruleset = fc.oneof(
  fc.constant({ type: "unsafeAllowAll" }),
  fc.record({ type: fc.constant("group"), initialAdmin: text }),
  fc.record(
    {
      type: fc.constant("ownedByGroup"),
      group: fc.constant("co_zfimDznFcSY4rbcKEP1Y5yEQ3MC"),
      restrictDeletion: fc.oneof(fc.boolean(), json),
    },
    { requiredKeys: ["type", "group"] },
  ),
);
const nearlyRight = fc.record(
  { type: text, ruleset, meta, uniqueness, createdAt: fc.oneof(text, fc.constant(null)) },
  { requiredKeys: ["type", "ruleset", "meta", "uniqueness"] },
);
const anything = fc.record(
  {
    type: fc.oneof(text, json),
    ruleset: fc.oneof(ruleset, json),
    meta: fc.oneof(meta, json),
    uniqueness: fc.oneof(uniqueness, json),
    createdAt: fc.oneof(text, json),
    more: json,
  },
  { requiredKeys: [] },
);

describe("the flaw of a header", () => {
  test("is found exactly when cojson's native core refuses it, but for what only we refuse and for fractions", () => {
    let taken = 0;
    let refused = 0;
    fc.assert(
      fc.property(fc.oneof(nearlyRight, nearlyRight, anything), (made) => {
        const header = JSON.parse(JSON.stringify(made)) as Record<string, unknown>;
        const flaw = flawOfHeader(header);
        if (isTaken(header)) {
          taken++;
          // cojson's type allows only an object or null, and so did this server always.
          if (flaw) expect(flaw).toMatch(/`header\.meta(?:\.source)?` must hold/);
        } else {
          refused++;
          // serde_json reads some fractions inexactly: the Sprite asks the core itself.
          if (!flaw) expect(JSON.stringify(header)).toMatch(/\d\.\d|\de-\d/);
        }
      }),
      { numRuns: 3_000 },
    );
    expect(taken).toBeGreaterThan(100);
    expect(refused).toBeGreaterThan(100);
  });

  test.each(Object.entries(ODD_HEADERS))("is found in one with %s", (_, header) => {
    expect(flawOfHeader(header)).toMatch(/`header/);
  });

  test("is not found in the deepest header that the core takes, and is found one deeper", () => {
    expect([126, 127].map((depth) => isTaken(odd({ meta: nested(depth) })))).toEqual([true, false]);
    expect(flawOfHeader(odd({ meta: nested(126) }))).toBeUndefined();
    expect(flawOfHeader(odd({ meta: nested(127) }))).toMatch(/deeper/);
  });

  test("is not found in those of real values", async () => {
    const { node } = await newNode();
    const group = node.createGroup();
    for (const value of [
      group,
      group.createMap(),
      group.createList(),
      group.createStream(),
      group.createPlainText("x"),
    ])
      expect(flawOfHeader(JSON.parse(contentOf(value)[0] ?? "").header)).toBeUndefined();
  });
});
