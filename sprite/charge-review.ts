import type { LocalNode } from "cojson";
import { authorOf } from "../shared/agent-keys.ts";
import { type CoValueHeader, isAccountHeader, isGroupHeader } from "../shared/header.ts";
import { type CoValueId, isCoValueId } from "../shared/ids.ts";
import type { Charge, Quota } from "./quota.ts";
import type { Standing } from "./standing.ts";
import type { StoreLedger } from "./store-ledger.ts";

/**
 * Looks at what strangers were charged for, and refused, each time a group has changed: they may be members by now.
 *
 * 1. A charge ends when its author is a member, or when its value has a member behind it.
 * 2. Listeners hear of a change after that, so what they ask {@link Standing} is up to date.
 */
export class ChargeReview {
  readonly #node: LocalNode;
  readonly #quota: Quota;
  readonly #standing: Standing;
  readonly #listeners = new Set<() => void>();
  #isDue = false;

  constructor(node: LocalNode, ledger: StoreLedger, quota: Quota, standing: Standing) {
    this.#node = node;
    this.#quota = quota;
    this.#standing = standing;
    ledger.onSettled((id) => this.#stored(id));
  }

  /** Calls `listener` after each change of who is a member, until the returned function is called. */
  onChanged(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #stored(id: string): void {
    if (this.#isDue || !isCoValueId(id)) return;
    if (!this.#quota.charges.has(id) && !this.#isGroup(id)) return;
    this.#isDue = true;
    // One look for all that is stored in a row.
    setImmediate(() => {
      this.#isDue = false;
      while (this.#reviewAll());
      for (const listener of [...this.#listeners]) listener();
    });
  }

  #isGroup(id: CoValueId): boolean {
    const header = this.#core(id)?.verified?.header as CoValueHeader | undefined;
    return header !== undefined && isGroupHeader(header) && !isAccountHeader(header);
  }

  /** @returns whether a value has got a member behind it: then its authors may be members of others. */
  #reviewAll(): boolean {
    let isAdopted = false;
    for (const [id, charge] of [...this.#quota.charges]) {
      if (!isCoValueId(id)) continue;
      if (charge.header > 0 && this.#isMembers(id, charge)) {
        this.#quota.adopt(id);
        isAdopted = true;
      }
      for (const author of Object.keys(charge.by))
        if (this.#standing.isMember(id, charge.shape, author)) this.#quota.release(id, author);
    }
    return isAdopted;
  }

  #isMembers(id: CoValueId, { shape }: Charge): boolean {
    if (isGroupHeader(shape)) return this.#standing.isVouchedFor(id, shape, this.#standing.parentsOf(id));
    for (const coSession of this.#core(id)?.verified?.getSessions().keys() ?? [])
      if (this.#standing.isMember(id, shape, authorOf(coSession))) return true;
    return false;
  }

  #core(id: CoValueId) {
    const raw = id as string as `co_z${string}`;
    return this.#node.isCoValueInMemory(raw) ? this.#node.getCoValue(raw) : undefined;
  }
}
