import { type CoValueHeader, isAccountHeader } from "./header.ts";
import { type CoValueId, isCoValueId } from "./ids.ts";
import { parseJson } from "./parse-json.ts";

/**
 * Which group's Sprite stores a group that is written for the first time.
 * - `root` (default): its first parent's home, when its first content already extends a parent; else its own.
 * - `group`: always its own.
 * - `account`: like `root`, but a group without a parent lives with the account in `initialAdmin`.
 */
export const PLACEMENT_POLICIES = ["root", "group", "account"] as const;
export type PlacementPolicy = (typeof PLACEMENT_POLICIES)[number];

/** A transaction as far as placement reads it. */
export interface TransactionLike {
  readonly privacy?: unknown;
  readonly changes?: unknown;
}

/** Whether a policy has to read the transactions of this header's first content, and not the header alone. */
export function readsTransactions(policy: PlacementPolicy, header: CoValueHeader): boolean {
  return policy !== "group" && header.ruleset.type === "group" && !isAccountHeader(header);
}

/**
 * The CoValue whose home a new CoValue shares, or `undefined` when it is its own home.
 * @param transactions of the first content; only read where {@link readsTransactions} says so.
 */
export function leaderOf(
  policy: PlacementPolicy,
  header: CoValueHeader,
  transactions: Iterable<TransactionLike>,
): CoValueId | undefined {
  const { ruleset } = header;
  if (ruleset.type === "ownedByGroup") return ruleset.group;
  if (ruleset.type !== "group" || !readsTransactions(policy, header)) return undefined;
  const parent = parentsIn(transactions).next().value;
  if (parent) return parent;
  return policy === "account" && isCoValueId(ruleset.initialAdmin) ? ruleset.initialAdmin : undefined;
}

const PARENT_KEY = "parent_";

/**
 * The parent groups that a group's transactions extend, in order: a trusting `set` of `parent_co_z…` to anything but
 * `"revoked"` (cojson 0.20.19, `RawGroup.extend` and `revokeExtend`).
 */
export function* parentsIn(transactions: Iterable<TransactionLike>): Generator<CoValueId, undefined> {
  for (const { privacy, changes } of transactions) {
    if (privacy !== "trusting" || typeof changes !== "string" || !changes.includes(PARENT_KEY)) continue;
    for (const change of parseChanges(changes)) {
      if (change?.op !== "set" || typeof change.key !== "string" || change.value === "revoked") continue;
      const parent = change.key.startsWith(PARENT_KEY) ? change.key.slice(PARENT_KEY.length) : undefined;
      if (isCoValueId(parent)) yield parent;
    }
  }
}

function parseChanges(changes: string): ({ op?: unknown; key?: unknown; value?: unknown } | null)[] {
  try {
    const parsed = parseJson(changes);
    return Array.isArray(parsed) ? parsed : [];
  } catch {
    // Changes that are no JSON change nothing, in cojson too (`safeParseChanges`).
    return [];
  }
}
