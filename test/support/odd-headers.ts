/** Headers of which a plain cojson server stores no value, and gives no answer, though each hashes to an id. */
export const ODD_HEADERS: Readonly<Record<string, unknown>> = {
  "a time of creation that is a number": odd({ createdAt: 5 }),
  "a time of creation that is an object": odd({ createdAt: {} }),
  "no uniqueness": without("uniqueness"),
  "a uniqueness that is a fraction": odd({ uniqueness: 5.5 }),
  "a uniqueness that is an array": odd({ uniqueness: ["a"] }),
  "a uniqueness that is an object of numbers": odd({ uniqueness: { a: 1 } }),
  "an unknown member": odd({ colour: "blue" }),
  "no meta": without("meta"),
  "a deep meta": odd({ meta: nested(127) }),
  "a very deep meta": odd({ meta: nested(2_000) }),
  "a lone surrogate": odd({ meta: { a: "\ud800" } }),
  "a lone surrogate as a name": odd({ meta: { "\ud800": 1 } }),
  "names that are sorted in two ways": odd({ meta: { "\u{10000}": 1, "\uffff": 2 } }),
  "a large number": odd({ meta: { a: 1e21 } }),
  "a small fraction": odd({ meta: { a: 0.0000015 } }),
  "a marked binary text with a quotation mark": odd({ meta: { a: 'encrypted_U"' } }),
  "an unknown ruleset": odd({ ruleset: { type: "everybody" } }),
  "a ruleset with an unknown member": odd({ ruleset: { type: "unsafeAllowAll", colour: "blue" } }),
  "an owner that is no id": odd({ ruleset: { type: "ownedByGroup", group: "co_z0" } }),
  "an owner that no header hashes to": odd({
    ruleset: { type: "ownedByGroup", group: `co_z${"z".repeat(26)}` },
  }),
  "a source that is no id": odd({ meta: { source: "main", branch: "draft" } }),
};

/** An ordinary header, with `changes`. */
export function odd(changes: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return {
    type: "comap",
    ruleset: { type: "unsafeAllowAll" },
    meta: null,
    createdAt: "2026-01-01T00:00:00.000Z",
    uniqueness: "zAbc",
    ...changes,
  };
}

function without(member: string): Record<string, unknown> {
  const { [member]: _, ...rest } = odd();
  return rest;
}

/** So many objects inside each other. */
export function nested(depth: number): Record<string, unknown> {
  let value: Record<string, unknown> = { end: 1 };
  for (let level = 1; level < depth; level++) value = { inner: value };
  return value;
}
