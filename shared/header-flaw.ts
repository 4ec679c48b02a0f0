import { isCoValueId } from "./ids.ts";

/**
 * serde_json, which reads a header in cojson's native core, follows 127 objects and arrays inside each other. One is the
 * header itself.
 */
const MAX_DEPTH = 126;
/** Whole numbers that serde_json keeps as 64 bits; it writes larger ones in another way than JavaScript. */
const LEAST_INTEGER = -(2 ** 63);
const SIGNED_END = 2 ** 63;
const UNSIGNED_END = 2 ** 64;

const MEMBERS = ["createdAt", "meta", "ruleset", "type", "uniqueness"];
const RULESET_MEMBERS: Readonly<Record<string, readonly string[]>> = {
  group: ["initialAdmin", "type"],
  ownedByGroup: ["group", "restrictDeletion", "type"],
  unsafeAllowAll: ["type"],
};

/**
 * Why no cojson node can store a CoValue with this header, whatever id it comes with; `undefined` when nothing is wrong.
 *
 * cojson's native core (0.20.19, `CoValueHeader` in `session_map.rs`) reads a header into a fixed structure, writes it again
 * and hashes that. What it cannot read, leaves out or writes in another way than JavaScript gives another id, and cojson
 * then drops the content without an answer. A fraction in `meta` may still be read inexactly: only the core itself can tell.
 * @returns a sentence that names the member and never quotes its value.
 */
export function flawOfHeader(header: unknown): string | undefined {
  if (!isObject(header)) return "`header` must hold an object";
  const { createdAt, meta, type, uniqueness } = header;
  if (typeof type !== "string") return "`header.type` must hold text";
  if (createdAt !== undefined && createdAt !== null && typeof createdAt !== "string")
    return "`header.createdAt` must hold text, null or nothing";
  if (!isUniqueness(uniqueness))
    return "`header.uniqueness` must hold text, true, false, null, a whole number, or an object of texts";
  if (meta !== null && !isObject(meta)) return "`header.meta` must hold an object or null";
  const source = meta?.source;
  // A branch: every node would wait for a source that cannot exist.
  if (source !== undefined && source !== null && !isCoValueId(source))
    return "`header.meta.source` must hold a CoValue id (co_z…)";
  return flawOfRuleset(header.ruleset) ?? flawOfMembers(header, MEMBERS, "header") ?? flawOfJson(header);
}

function isUniqueness(value: unknown): boolean {
  if (typeof value === "number") return isWithin(value, SIGNED_END);
  if (isObject(value))
    return Object.entries(value).every(([key, text]) => key !== "" && typeof text === "string");
  return value === null || typeof value === "string" || typeof value === "boolean";
}

function flawOfRuleset(ruleset: unknown): string | undefined {
  if (!isObject(ruleset)) return "`header.ruleset` must hold an object";
  const { type, initialAdmin, group, restrictDeletion } = ruleset;
  const members = typeof type === "string" && Object.hasOwn(RULESET_MEMBERS, type) && RULESET_MEMBERS[type];
  if (!members) return "`header.ruleset.type` must hold group, ownedByGroup or unsafeAllowAll";
  if (type === "group" && typeof initialAdmin !== "string")
    return "`header.ruleset.initialAdmin` must hold text";
  if (type === "ownedByGroup" && !isCoValueId(group))
    return "`header.ruleset.group` must hold a CoValue id (co_z…)";
  if (restrictDeletion !== undefined && typeof restrictDeletion !== "boolean")
    return "`header.ruleset.restrictDeletion` must hold true or false";
  return flawOfMembers(ruleset, members, "header.ruleset");
}

function flawOfMembers(object: object, members: readonly string[], name: string): string | undefined {
  const isUnknown = Object.keys(object).some((key) => !members.includes(key));
  return isUnknown ? `\`${name}\` must have no other members than ${members.join(", ")}` : undefined;
}

/** Whether JavaScript and the native core write the same JSON, checked without recursion. */
function flawOfJson(header: object): string | undefined {
  let level: unknown[] = Object.values(header);
  for (let depth = 0; level.length > 0; depth++) {
    const below: unknown[] = [];
    for (const value of level) {
      const flaw = flawOfScalar(value) ?? flawOfKeys(value);
      if (flaw) return flaw;
      if (typeof value === "object" && value !== null)
        for (const inner of Object.values(value)) below.push(inner);
    }
    if (depth === MAX_DEPTH && level.some((value) => typeof value === "object" && value !== null))
      return `\`header\` must not be deeper than ${MAX_DEPTH} objects and arrays`;
    level = below;
  }
  return undefined;
}

function flawOfScalar(value: unknown): string | undefined {
  if (typeof value === "string" && !isPlainText(value))
    return "`header` must hold only texts that are well-formed Unicode, and marked binary texts without escapes";
  if (typeof value === "number" && !isPlainNumber(value))
    return "`header` must hold only numbers that fit 64 bits, and none between 0 and 0.00001";
  return undefined;
}

function flawOfKeys(value: unknown): string | undefined {
  if (!isObject(value)) return undefined;
  const keys = Object.keys(value);
  if (!keys.every((key) => key.isWellFormed()))
    return "`header` must have only names that are well-formed Unicode";
  // JavaScript sorts by UTF-16 units and the core by UTF-8 bytes: they differ where a name has surrogates.
  const sorted = keys.sort();
  const isSame = sorted.every((key, index) => index === 0 || isBefore(sorted[index - 1] ?? "", key));
  return isSame ? undefined : "`header` must have only names whose order is the same in UTF-8 and UTF-16";
}

/** Compares by code points, which is the order of the UTF-8 bytes. */
function isBefore(one: string, other: string): boolean {
  let at = 0;
  while (at < one.length && one.charCodeAt(at) === other.charCodeAt(at)) at++;
  if (at === one.length) return true;
  // The first units that differ: where both are second halves of a pair, their order is that of the pair.
  return rank(one.charCodeAt(at)) < rank(other.charCodeAt(at));
}

/** Puts surrogates behind all other units. */
function rank(unit: number): number {
  return unit >= 0xd800 && unit <= 0xdfff ? unit + 0x10000 : unit;
}

function isPlainText(text: string): boolean {
  if (!text.isWellFormed()) return false;
  // cojson's `stableStringify` writes these without escapes, the core with them.
  const isRaw = text.startsWith("encrypted_U") || text.startsWith("binary_U");
  return !isRaw || JSON.stringify(text).length === text.length + 2;
}

function isPlainNumber(value: number): boolean {
  if (Number.isInteger(value)) return isWithin(value, UNSIGNED_END);
  const size = Math.abs(value);
  // From 0.00001 down to 0.000001 JavaScript writes digits and the core an exponent.
  return size >= 1e-5 || size < 1e-6;
}

function isWithin(value: number, end: number): boolean {
  return Number.isInteger(value) && value > LEAST_INTEGER && value < end;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
