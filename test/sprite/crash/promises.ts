import type { CoValueId } from "../../../shared/ids.ts";
import type { KnownState } from "../../../shared/known-state.ts";
import type { SignedWorld } from "./signed-world.ts";
import { CrashViolation } from "./violation.ts";

/** What one coSession of a CoValue must, and may, have on disk: transactions. */
interface Bounds {
  /** Acknowledged, or found on disk after an earlier death. */
  atLeast: number;
  /** Sent at any time. */
  atMost: number;
}

/**
 * What a Sprite has promised about one world, over all its lives. Invariants:
 * 1. `atLeast` never shrinks: what was acknowledged, or was once found on disk, is there for good.
 * 2. Nothing is stored or acknowledged that was not sent.
 */
export class Promises {
  readonly #world: SignedWorld;
  readonly #bounds = new Map<string, Bounds>();
  readonly #headers = new Set<CoValueId>();

  constructor(world: SignedWorld) {
    this.#world = world;
  }

  /** Whether anything was ever promised. */
  get isEmpty(): boolean {
    return this.#headers.size === 0;
  }

  sent(id: CoValueId, coSession: string, end: number): void {
    const bounds = this.#of(id, coSession);
    bounds.atMost = Math.max(bounds.atMost, end);
  }

  /**
   * The Sprite says that this is on disk.
   * @returns how many transactions of it were not promised before
   */
  acknowledged(id: CoValueId, state: KnownState): number {
    if (state.header) this.#headers.add(id);
    let more = 0;
    for (const [coSession, count] of Object.entries(state.sessions)) {
      more += this.#raise(id, coSession, count, "acknowledged");
    }
    return more;
  }

  /**
   * This is on disk.
   * @returns how many transactions of it were not promised before
   * @throws CrashViolation when something is missing, or is there that nobody sent.
   */
  found(id: CoValueId, state: KnownState, where: string): number {
    this.#assertPromised(id, state, where);
    let more = 0;
    for (const [coSession, count] of Object.entries(state.sessions)) {
      more += this.#raise(id, coSession, count, where);
    }
    if (state.header) this.#headers.add(id);
    return more;
  }

  /** The promised CoValues. */
  get ids(): Iterable<CoValueId> {
    return this.#headers;
  }

  #assertPromised(id: CoValueId, state: KnownState, where: string): void {
    if (!state.header && this.#headers.has(id)) throw new CrashViolation(`${where}: ${id} is lost`);
    const value = this.#world.values.get(id);
    if (!value) throw new CrashViolation(`${where}: ${id} is there, and nobody made it`);
    for (const coSession of value.chains.keys()) {
      const { atLeast } = this.#of(id, coSession);
      const count = state.sessions[coSession] ?? 0;
      if (count >= atLeast) continue;
      throw new CrashViolation(`${where}: ${id} ${coSession} has ${count} transactions, promised ${atLeast}`);
    }
  }

  #raise(id: CoValueId, coSession: string, count: number, where: string): number {
    const bounds = this.#of(id, coSession);
    if (count > bounds.atMost) {
      throw new CrashViolation(
        `${where}: ${count} transactions of ${id} ${coSession}, sent ${bounds.atMost}`,
      );
    }
    const more = Math.max(0, count - bounds.atLeast);
    bounds.atLeast += more;
    return more;
  }

  #of(id: CoValueId, coSession: string): Bounds {
    const key = `${id} ${coSession}`;
    const bounds = this.#bounds.get(key) ?? { atLeast: 0, atMost: 0 };
    this.#bounds.set(key, bounds);
    return bounds;
  }
}
