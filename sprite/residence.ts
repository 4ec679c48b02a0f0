import type { CoValueCore, LocalNode } from "cojson";
import { LRUCache } from "lru-cache";
import { type CoValueHeader, isAccountHeader, isGroupHeader } from "../shared/header.ts";
import { type CoValueId, type GroupId, isCoValueId } from "../shared/ids.ts";
import { parentsIn, type TransactionLike } from "../shared/placement.ts";

/** Verdicts kept; about 100 B each. Losing one costs reading the CoValue again. */
const VERDICTS = 50_000;
/** How far up a chain of parents is followed; cojson apps nest a handful. */
const MAX_DEPTH = 64;
/** How many parents of a new group are looked at: placement goes by the first one. */
const MAX_PARENTS = 16;

/** A CoValue as its first content shows it. */
export interface NewCoValue {
  readonly id: CoValueId;
  readonly header: CoValueHeader;
  readonly transactions: Iterable<TransactionLike>;
}

/** Why a CoValue belongs here or not; `needs` = that is decided by this group, which is not in memory. */
export type Verdict = "resident" | "foreign" | { readonly needs: CoValueId };

/**
 * Which CoValues live here: the home itself, what its resident groups own, and the groups that extend a resident one
 * or belong to the home account. Everything else that is stored here is a replica of a CoValue whose home is elsewhere.
 *
 * 1. Residence is derived from headers and from groups' parents, never stored: it is the same after a lost disk.
 * 2. It is never taken back: a parent that was revoked leaves the group where it lives (placement is sticky).
 */
export class Residence {
  private readonly home: GroupId | undefined;
  private readonly node: LocalNode;
  private readonly residents = new LRUCache<CoValueId, true>({
    // Not `max`, which would allocate all of it at every start.
    maxSize: VERDICTS,
    sizeCalculation: () => 1,
  });
  /** The number of transactions at which a group was found foreign: it may extend a resident later. */
  private foreign = new WeakMap<CoValueCore, number>();

  /** @param home `undefined`: all CoValues live here (one process for all groups). */
  constructor(home: GroupId | undefined, node: LocalNode) {
    this.home = home;
    this.node = node;
  }

  /** What is known without looking at content. `false` means "not known to be". */
  isKnownResident(id: CoValueId): boolean {
    return this.home === undefined || id === this.home || this.residents.has(id);
  }

  /** Judges a CoValue that is not stored here yet. Remembers `resident`. */
  judge({ id, header, transactions }: NewCoValue): Verdict {
    if (this.isKnownResident(id)) return "resident";
    const verdict = this.judgeBy(header, transactions);
    if (verdict === "resident") this.residents.set(id, true);
    return verdict;
  }

  /** Whether a CoValue in memory is a group that lives elsewhere; accounts do not count, they cannot go stale. */
  isForeignGroup(core: CoValueCore): boolean {
    const header = core.verified?.header as CoValueHeader | undefined;
    if (!header || !isGroupHeader(header) || isAccountHeader(header)) return false;
    return isCoValueId(core.id) && !this.isResidentGroup(core.id, 0);
  }

  private judgeBy(header: CoValueHeader, transactions: Iterable<TransactionLike>): Verdict {
    const { ruleset } = header;
    if (ruleset.type === "ownedByGroup") return this.judgeByGroup(ruleset.group);
    if (ruleset.type !== "group") return "foreign";
    if (ruleset.initialAdmin === this.home) return "resident";
    let first: Verdict = "foreign";
    let seen = 0;
    for (const parent of parentsIn(transactions)) {
      if (seen++ === MAX_PARENTS) break;
      const verdict = this.judgeByGroup(parent);
      if (verdict === "resident") return verdict;
      if (first === "foreign" && seen === 1) first = verdict;
    }
    return first;
  }

  private judgeByGroup(group: CoValueId): Verdict {
    if (this.isKnownResident(group)) return "resident";
    if (!this.inMemory(group)) return { needs: group };
    return this.isResidentGroup(group, 0) ? "resident" : "foreign";
  }

  /** Of a group in memory. Its parents are there too: cojson loads them first and keeps them as long. */
  private isResidentGroup(group: CoValueId, depth: number): boolean {
    if (this.isKnownResident(group)) return true;
    const core = this.inMemory(group);
    if (!core || depth === MAX_DEPTH) return false;
    const count = transactionCount(core);
    if (this.foreign.get(core) === count) return false;
    // Set first: a circle of parents that leads back here proves nothing.
    this.foreign.set(core, count);
    if (!this.provesResidence(core, depth)) return false;
    this.residents.set(group, true);
    // Groups that were found foreign because of this one have to be looked at again.
    this.foreign = new WeakMap();
    return true;
  }

  private provesResidence(core: CoValueCore, depth: number): boolean {
    const { verified } = core;
    if (verified?.header.ruleset.type !== "group") return false;
    if (verified.header.ruleset.initialAdmin === this.home) return true;
    for (const { transactions } of verified.getSessions().values()) {
      for (const parent of parentsIn(transactions)) {
        if (this.isResidentGroup(parent, depth + 1)) return true;
      }
    }
    return false;
  }

  private inMemory(id: CoValueId): CoValueCore | undefined {
    if (!this.node.isCoValueInMemory(id as `co_z${string}`)) return undefined;
    const core = this.node.getCoValue(id as `co_z${string}`);
    return core.isAvailable() ? core : undefined;
  }
}

function transactionCount(core: CoValueCore): number {
  return Object.values(core.knownState().sessions).reduce((sum, count) => sum + count, 0);
}
