import { SpriteSyncError } from "../shared/errors.ts";
import { isCoSessionId } from "../shared/ids.ts";
import { scanArray, scanObject } from "../shared/json-scan.ts";
import { parseJson, SMALL_CHARS } from "../shared/parse-json.ts";

/** What of a CoValue's header says how its changes are read. */
export interface ValueShape {
  readonly type: string;
  readonly ruleset: { readonly type: string };
}

/** A transaction as far as it is checked here. */
export interface CheckedTransaction {
  readonly privacy: string;
  readonly changes?: string;
  readonly meta?: string | null;
}

type Members = Readonly<Record<string, unknown>>;

/** Of a change, what cojson follows without a look at what it is; `value` only in groups. */
const READ_MEMBERS = new Set(["op", "key", "before", "after", "insertion"]);

/**
 * Checks what cojson (0.20.19) reads of a transaction without a look at its shape, while it decides what is valid and what
 * a value holds: `determineValidTransactionsForGroup` in `permissions.ts`, `parseMetaInformation` in `coValueCore.ts`,
 * `processNewTransactions` of `coMap.ts` and `coList.ts`. It throws there, for every reader and for the owner, however
 * little its author may write: one validly signed `[null]` ends a group. What is encrypted only members could have
 * written, and nothing here can read.
 * @throws SpriteSyncError `bad-message`, naming the member; never quoting its value.
 */
export function checkChanges(shape: ValueShape, transactions: Iterable<CheckedTransaction>): void {
  const check = checkOf(shape);
  for (const { privacy, changes = "", meta } of transactions) {
    if (privacy !== "trusting") continue;
    if (shape.ruleset.type !== "group" && changes.length >= SMALL_CHARS) checkByScan(changes, check);
    else checkWhole(changes, check);
    if (meta) checkMeta(meta);
  }
}

function checkOf({ type, ruleset }: ValueShape): ((change: Members) => void) | undefined {
  if (ruleset.type === "group") return checkGroupChange;
  if (type === "comap") return checkMapChange;
  if (type === "colist" || type === "coplaintext") return checkListChange;
  // The items of a CoStream are any JSON.
  return undefined;
}

function checkWhole(text: string, check: ((change: Members) => void) | undefined): void {
  const changes = parsed(text, "changes");
  if (!Array.isArray(changes)) throw bad("changes", "a list");
  if (!check) return;
  for (const change of changes) {
    if (!isObject(change)) throw bad("changes", "objects");
    check(change);
  }
}

/** Looks at the few members that are followed; leaves to `JSON.parse` what the scan does not understand. */
function checkByScan(text: string, check: ((change: Members) => void) | undefined): void {
  try {
    scanArray(text, 0, ({ start }) => {
      if (!check) return;
      const change: Record<string, unknown> = {};
      scanObject(text, start, (name, span) => {
        if (READ_MEMBERS.has(name)) change[name] = parseJson(text.slice(span.start, span.end));
      });
      check(change);
    });
  } catch (error) {
    if (error instanceof SpriteSyncError) throw error;
    checkWhole(text, check);
  }
}

/** Roles and keys. Anybody may give their own write key, and reveal keys of that name. */
function checkGroupChange({ op, key, value }: Members): void {
  if (typeof op !== "string") throw bad("op", "text in each change");
  if (op !== "set") return;
  if (typeof key !== "string") throw bad("key", "text in each change of a group");
  const isKey = key.startsWith("key_") || key.startsWith("writeKeyFor_") || key.includes("_for_everyone");
  if (isKey && typeof value !== "string") throw bad("value", "text where a group's change sets a key");
}

function checkMapChange({ op, key }: Members): void {
  if (typeof op !== "string") throw bad("op", "text in each change");
  if (typeof key !== "string" && typeof key !== "number") throw bad("key", "text in each change of a map");
}

function checkListChange({ op, before, after, insertion }: Members): void {
  if (op === "pre") checkPlace(before, "before");
  else if (op === "app") checkPlace(after, "after");
  else if (op === "del") checkItem(insertion, "insertion");
  else throw bad("op", "pre, app or del in each change of a list");
}

function checkPlace(place: unknown, member: string): void {
  if (typeof place !== "string") checkItem(place, member);
}

/** An item of a list: cojson's `OpID`. */
function checkItem(item: unknown, member: string): void {
  if (!isObject(item)) throw bad(member, "an item in each change of a list");
  const { sessionID, txIndex, changeIdx, branch } = item;
  const isItem =
    typeof sessionID === "string" &&
    isCoSessionId(sessionID) &&
    typeof txIndex === "number" &&
    typeof changeIdx === "number" &&
    (branch === undefined || branch === null || typeof branch === "string");
  if (!isItem) throw bad(member, "an item in each change of a list");
}

const META_TYPES: Readonly<Record<string, "string" | "number" | "object">> = {
  branch: "string",
  ownerId: "string",
  fww: "string",
  s: "string",
  b: "string",
  mi: "number",
  t: "number",
  from: "object",
  merged: "object",
};

/** Branches, merges, and what only the first writer sets (cojson's `branching.ts`). */
function checkMeta(text: string): void {
  const meta = parsed(text, "meta");
  if (meta === null) return;
  if (!isObject(meta)) throw bad("meta", "an object");
  for (const [name, type] of Object.entries(META_TYPES)) {
    const member = meta[name];
    if (member === undefined || member === null) {
      if (type === "object" && Object.hasOwn(meta, name)) throw bad(`meta.${name}`, "an object");
      continue;
    }
    if (type === "object" ? !isObject(member) : typeof member !== type) throw bad(`meta.${name}`, type);
  }
}

function parsed(text: string, member: string): unknown {
  try {
    return parseJson(text);
  } catch (error) {
    if (error instanceof SpriteSyncError) throw error;
    throw bad(member, "JSON");
  }
}

function isObject(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function bad(member: string, expected: string): SpriteSyncError {
  return new SpriteSyncError("bad-message", `\`${member}\` of a transaction must hold ${expected}`);
}
