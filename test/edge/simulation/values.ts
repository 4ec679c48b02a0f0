import { idOfHeader } from "../../../shared/header.ts";
import { asHome, type CoValueId, type GroupId } from "../../../shared/ids.ts";

/** A CoValue that a run may create. Headers, and so ids, are real ones: the edge checks them. */
export interface PoolValue {
  readonly id: CoValueId;
  readonly home: GroupId;
  readonly header: object;
  /** The group that owns it. */
  readonly group: CoValueId | undefined;
  readonly kind: "account" | "group" | "map";
}

const AGENT = "sealer_z1/signer_z1";

function make(kind: PoolValue["kind"], uniqueness: string, group?: CoValueId): PoolValue {
  const ruleset = group ? { type: "ownedByGroup", group } : { type: "group", initialAdmin: AGENT };
  const meta = kind === "account" ? { type: "account" } : null;
  const header = { type: "comap", ruleset, meta, uniqueness };
  const id = idOfHeader(header);
  return { id, home: asHome(group ?? id), header, group, kind };
}

const GROUPS = ["a", "b", "c"].map((name) => make("group", name));
const MAPS = GROUPS.flatMap(({ id }) => ["1", "2", "3"].map((name) => make("map", name, id)));
const ACCOUNTS = ["x", "y"].map((name) => make("account", name));

export const POOL = { groups: GROUPS, maps: MAPS, accounts: ACCOUNTS };

const byId = new Map([...GROUPS, ...MAPS, ...ACCOUNTS].map((value) => [value.id, value]));

export function poolValue(id: CoValueId): PoolValue {
  const value = byId.get(id);
  if (!value) throw new Error(`${id} is not of the pool`);
  return value;
}

const DIGITS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZ";

/** The coSession of writer `n`: of an account, or of an agent that has none. */
export function coSessionOf(n: number, account: PoolValue | undefined): string {
  return `${account?.id ?? AGENT}_session_z${DIGITS[n % DIGITS.length]}`;
}

/** What content depends on: the owning group and its authors' accounts (cojson `getDependedOnCoValuesFromRawData`). */
export function dependenciesOf(id: CoValueId, coSessions: Iterable<string>): Set<CoValueId> {
  const found = new Set<CoValueId>();
  const { group } = poolValue(id);
  if (group) found.add(group);
  for (const coSession of coSessions) {
    const author = ACCOUNTS.find((account) => coSession.startsWith(`${account.id}_`));
    if (author && author.id !== id) found.add(author.id);
  }
  return found;
}
