import { type CoValueCore, cojsonInternals, type PeerState, type SyncMessage } from "cojson";
import { authorOf } from "../shared/agent-keys.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import type { CoValueHeader } from "../shared/header.ts";
import { isCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Home } from "./home.ts";
import { type CoSessionId, isSigned } from "./signed-content.ts";
import type { Screened } from "./stranger-gate.ts";

type Content = Extract<SyncMessage, { action: "content" }>;

/** Aborts after `ms`, which keep no process alive. */
export function abortingAfter(ms: number): AbortController {
  const controller = new AbortController();
  setTimeout(() => controller.abort(), ms).unref();
  return controller;
}

/** What content of a CoValue depends on: cojson takes it only when all of that is in memory. */
export function dependenciesOf(core: CoValueCore | undefined, content: Content): Set<CoValueCore["id"]> {
  const header = core?.verified?.header ?? content.header;
  if (!header) return new Set();
  const coSessions = Object.keys(content.new) as CoSessionId[];
  const transactions = Object.values(content.new).map(({ newTransactions }) => newTransactions);
  return cojsonInternals.getDependedOnCoValuesFromRawData(content.id, header, coSessions, transactions);
}

/**
 * Brings to memory what content of one upstream depends on, from the disk or from the upstream.
 *
 * 1. What a member's content depends on counts as the members', but only after the member's signature has been checked: or
 *    a stranger could have anything stored in a member's name. The member's own account is proof of itself.
 * 2. A wait ends when there is no room for what is waited for, or after `ownerWaitMs`.
 */
export class Dependencies {
  readonly #home: Home;
  readonly #peer: () => PeerState;
  readonly #waits = new Map<string, Set<AbortController>>();

  constructor(home: Home, peer: () => PeerState) {
    this.#home = home;
    this.#peer = peer;
  }

  /** There is no room for it: content that depends on it need not wait for it. */
  refused(id: string): void {
    for (const wait of this.#waits.get(id) ?? []) wait.abort();
  }

  /**
   * Resolves when everything is in memory: to `false` when something before the content is missing.
   * @throws SpriteSyncError `missing-dependency`, `bad-message`
   */
  async fetch(core: CoValueCore | undefined, header: CoValueHeader, screened: Screened): Promise<boolean> {
    const { content, members, needsProof } = screened;
    if (this.#missing(core, content).length === 0 && !needsProof) return true;
    if (members.length > 0) {
      const { standing } = this.#home;
      const authors = new Set(members.map(authorOf));
      const accounts = this.#missing(core, content).filter((id) => authors.has(id));
      for (const account of accounts) standing.back(account);
      await this.#fetchAll(accounts);
      const others = this.#missing(core, content);
      if (others.length > 0 || needsProof) {
        for (const coSession of members) {
          const proof = isSigned(this.#home.node, core, content, header, coSession);
          if (proof === undefined) return false;
          if (!proof) throw new SpriteSyncError("bad-message", "the content was rejected: wrong signature");
        }
        const own = Object.fromEntries(members.map((coSession) => [coSession, content.new[coSession]]));
        const needed = dependenciesOf(core, { ...content, new: own as Content["new"] });
        for (const id of others) if (needed.has(id)) standing.back(id);
      }
    }
    await this.#fetchAll(this.#missing(core, content));
    return true;
  }

  #missing(core: CoValueCore | undefined, content: Content): CoValueCore["id"][] {
    return [...dependenciesOf(core, content)].filter((id) => !this.#home.isInMemory(id));
  }

  async #fetchAll(missing: readonly string[]): Promise<void> {
    if (missing.length === 0) return;
    if (!missing.every(isCoValueId)) {
      throw new SpriteSyncError("bad-message", "the content depends on something that is no CoValue id");
    }
    const wait = abortingAfter(LIMITS.ownerWaitMs);
    try {
      for (const id of missing) this.#waits.set(id, (this.#waits.get(id) ?? new Set()).add(wait));
      await Promise.all(missing.map((id) => this.#home.fetch(id, this.#peer(), wait.signal)));
    } catch (error) {
      const reason = "what the content depends on did not arrive in time";
      throw new SpriteSyncError("missing-dependency", reason, { cause: error });
    } finally {
      for (const id of missing) {
        const waits = this.#waits.get(id);
        waits?.delete(wait);
        if (waits?.size === 0) this.#waits.delete(id);
      }
    }
  }
}
