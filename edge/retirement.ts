import { LIMITS } from "../shared/limits.ts";
import type { DrainNote } from "./drain.ts";
import type { Wear } from "./wear.ts";

export interface RetirementDeps {
  readonly wear: Wear;
  readonly now: () => number;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  readonly drain: () => DrainNote;
}

/**
 * When a session should end and let its client connect anew, somewhere else or to a newer version.
 *
 * 1. Not while anything is on its way, unless the invocation is nearly used up: a moment later workerd would end it anyway.
 * 2. A drained edge lets its sessions go spread over some minutes, so that they do not all come back at once; one that is
 *    never quiet goes after twice that time.
 */
export class Retirement {
  readonly #deps: RetirementDeps;
  readonly #begun: number;
  readonly #share: number;

  constructor(deps: RetirementDeps) {
    this.#deps = deps;
    this.#begun = deps.now();
    this.#share = deps.random();
  }

  /** Why the session should end now, if it should. `quiet`: nothing is on its way. */
  due(quiet: boolean): string | undefined {
    const { spent } = this.#deps.wear;
    if (spent >= LIMITS.retireAtAnyRate) return "the session has used up what one invocation may";
    if (spent >= LIMITS.retireWhenQuiet && quiet)
      return "the session has used most of what one invocation may";
    const { before, spread } = this.#deps.drain();
    const late = this.#deps.now() - before;
    if (this.#begun >= before || late < this.#share * spread) return undefined;
    return quiet || late >= 2 * spread ? "the edge is drained" : undefined;
  }
}
