import type { CoValueCore, LocalNode, RawGroup } from "cojson";
import { LRUCache } from "lru-cache";
import { authorOf } from "../shared/agent-keys.ts";
import { type CoValueHeader, isAccountHeader, isGroupHeader } from "../shared/header.ts";
import { type CoValueId, type GroupId, isCoValueId } from "../shared/ids.ts";
import { parentsIn, type TransactionLike } from "../shared/placement.ts";

/** How far up a chain of parents roles are looked for; cojson apps nest a handful. */
const MAX_DEPTH = 64;
/** Dependencies of members' content that are on their way here. */
const BACKED = 10_000;
/** How many values that depend on another are looked at to find out whether a member needs it. */
const MAX_DEPENDANTS = 10_000;
const PARENT_KEY = "parent_";

/** Everything but `revoked` (cojson 0.20.19, `Role` in `src/permissions.ts`). Invites write into their group. */
const ROLES = /^(reader|writer|writeOnly|manager|admin)(Invite)?$/;
/** What `everyone` may write with. With `reader` everyone may read, and stays a stranger. */
const WRITING = /^(writer|writeOnly)$/;

/** A group of which a new group says that it extends it, and the author of that transaction. */
export interface ParentClaim {
  readonly author: string;
  readonly parent: CoValueId;
}

/**
 * Who is a member of what lives here: an author who has, or ever had, a role in the group that owns a value or in one of its
 * parents. "Ever", because what a removed member wrote before stays valid.
 *
 * 1. A role counts only if cojson finds the transaction valid that gave it: a stranger cannot name itself.
 * 2. A role counts only in a group that a member brought here. A stranger is admin of its own groups, and may let them extend
 *    any other.
 * 3. Membership is never taken back, so what is remembered of it is right forever.
 */
export class Standing {
  readonly #home: GroupId | undefined;
  readonly #node: LocalNode;
  readonly #isStrangers: (id: string) => boolean;
  readonly #members = new WeakMap<CoValueCore, Set<string>>();
  readonly #backed = new LRUCache<string, true>({ maxSize: BACKED, sizeCalculation: () => 1 });

  /**
   * @param home `undefined`: a server of all groups, where each group is its own.
   * @param isStrangers whether a stored value was brought by a stranger.
   */
  constructor(home: GroupId | undefined, node: LocalNode, isStrangers: (id: string) => boolean) {
    this.#home = home;
    this.#node = node;
    this.#isStrangers = isStrangers;
  }

  /** Whether `author` writes into the value as a member. What its own account or group says is asked only if that is here. */
  isMember(id: string, header: CoValueHeader, author: string): boolean {
    const { ruleset } = header;
    if (ruleset.type === "unsafeAllowAll") return !this.#isStrangers(id);
    if (ruleset.type === "ownedByGroup") return this.#isMemberOf(ruleset.group, author);
    if (this.#isStrangers(id)) return false;
    if (author === ruleset.initialAdmin) return true;
    return isAccountHeader(header) ? author === id : this.#isMemberOf(id, author);
  }

  /** Whether a value that is not stored here, or came from a stranger, has a member behind it. */
  isVouchedFor(id: CoValueId, header: CoValueHeader, parents: Iterable<ParentClaim>): boolean {
    if (this.#home === undefined || id === this.#home || this.#backed.has(id)) return true;
    if (!isGroupHeader(header)) return false;
    const { ruleset } = header;
    if (ruleset.type === "group" && ruleset.initialAdmin === this.#home) return true;
    for (const { author, parent } of parents) if (this.#isMemberOf(parent, author)) return true;
    return this.#isNeededByMembers(id, isAccountHeader(header));
  }

  /** Whether it is the home, or a member's content depends on it: then it counts as the members' without anything else. */
  isBacked(id: string): boolean {
    return id === this.#home || this.#backed.has(id);
  }

  /** A member's content that is about to be admitted depends on this. */
  back(id: string): void {
    this.#backed.set(id, true);
  }

  /** The parents that a stored group names, as {@link isVouchedFor} takes them. */
  *parentsOf(id: string): Generator<ParentClaim> {
    for (const [coSession, { transactions }] of this.#inMemory(id)?.verified?.getSessions() ?? [])
      yield* parentClaims(coSession, transactions);
  }

  #isMemberOf(group: string, author: string): boolean {
    if (this.#isStrangers(group)) return false;
    const core = this.#inMemory(group);
    return core !== undefined && this.#hadRole(core, author, 0);
  }

  #hadRole(core: CoValueCore, author: string, depth: number): boolean {
    const header = core.verified?.header as CoValueHeader | undefined;
    if (header?.ruleset.type !== "group") return false;
    if (author === header.ruleset.initialAdmin) return true;
    if (isAccountHeader(header)) return author === core.id;
    const known = this.#members.get(core);
    if (known?.has(author)) return true;
    if (!this.#findRole(core, author, depth)) return false;
    if (known) known.add(author);
    else this.#members.set(core, new Set([author]));
    return true;
  }

  #findRole(core: CoValueCore, author: string, depth: number): boolean {
    const roles = validEntries(core);
    if (hasHad(roles[author], ROLES) || hasHad(roles.everyone, WRITING)) return true;
    if (depth === MAX_DEPTH) return false;
    for (const key of Object.keys(roles)) {
      if (!key.startsWith(PARENT_KEY)) continue;
      const parent = this.#inMemory(key.slice(PARENT_KEY.length));
      if (parent && this.#hadRole(parent, author, depth + 1)) return true;
    }
    return false;
  }

  /** The account of a member, or a parent of a group of members. cojson keeps what depends on a value beside it. */
  #isNeededByMembers(id: string, isAccount: boolean): boolean {
    if (!this.#node.isCoValueInMemory(id as CoValueCore["id"])) return false;
    let seen = 0;
    for (const dependant of this.#node.getCoValue(id as CoValueCore["id"]).dependant) {
      if (seen++ === MAX_DEPENDANTS) return false;
      const core = this.#inMemory(dependant);
      if (core?.verified?.header.ruleset.type !== "group" || this.#isStrangers(dependant)) continue;
      if (isAccount ? this.#hadRole(core, id, 0) : validEntries(core)[`${PARENT_KEY}${id}`]) return true;
    }
    return false;
  }

  #inMemory(id: string): CoValueCore | undefined {
    if (!this.#node.isCoValueInMemory(id as CoValueCore["id"])) return undefined;
    const core = this.#node.getCoValue(id as CoValueCore["id"]);
    return core.isAvailable() ? core : undefined;
  }
}

/** The parents that transactions of one coSession name. */
export function* parentClaims(
  coSession: string,
  transactions: Iterable<TransactionLike>,
): Generator<ParentClaim> {
  const author = authorOf(coSession);
  for (const parent of parentsIn(transactions)) if (isCoValueId(parent)) yield { author, parent };
}

type Entries = Readonly<Record<string, readonly { readonly change: unknown }[] | undefined>>;

/** What valid transactions have set in a group, each key with all that it ever held. */
function validEntries(core: CoValueCore): Entries {
  try {
    return (core.getCurrentContent() as RawGroup).ops as Entries;
  } catch {
    // cojson throws where a parent is missing, or is no group; then nobody is known to be a member by it.
    return {};
  }
}

function hasHad(entries: Entries[string], role: RegExp): boolean {
  return (entries ?? []).some(({ change }) => {
    const { op, value } = change as { op?: unknown; value?: unknown };
    return op === "set" && typeof value === "string" && role.test(value);
  });
}
