import { SpriteSyncError } from "../shared/errors.ts";
import type { AwakePeriod, AwakePeriods } from "./awake-periods.ts";
import type { SpriteRecord } from "./fleet/fleet.ts";

/**
 * What a coordinator keeps of a move to another region (docs/operating.md).
 *
 * 1. While `hold` is set and not over, nobody is led to the Sprite, and only its holder changes anything here.
 * 2. A hold that is over never comes back: its holder may have missed what was stored since, so it has to begin anew.
 * 3. `without` are the disks that must not be used: before the switch the copy, after it the original. It outlives the hold.
 */
export interface MoveGate {
  readonly hold?: { readonly holder: string; readonly until: number } | undefined;
  readonly without: readonly string[];
}

/** What the mover asks of a coordinator. `holder` is random, new with each attempt. */
export type MoveCommand = { readonly holder: string } & (
  | /** Nobody is let in for `ms`; asked again in time, it is prolonged. */ {
      readonly kind: "hold";
      readonly ms: number;
    }
  | /** These disks must not be used from now on. */ {
      readonly kind: "without";
      readonly disks: readonly string[];
    }
  | /** The Sprite is this one now, met in this period; the disks it left must not be used. Everybody is let in. */ {
      readonly kind: "switch";
      readonly sprite: SpriteRecord;
      readonly period: AwakePeriod;
      readonly disks: readonly string[];
    }
  | /** Everybody is let in again. */ { readonly kind: "release" }
  | /** The disks that must not be used are gone. */ { readonly kind: "settled" }
);

/** What a coordinator answers. */
export interface MoveView {
  readonly sprite: SpriteRecord | undefined;
  readonly periods: AwakePeriods;
  readonly without: readonly string[];
}

export interface Movable {
  readonly sprite: SpriteRecord | undefined;
  readonly periods: AwakePeriods;
  readonly gate?: MoveGate | undefined;
}

/** Milliseconds until everybody is let in; 0 = now. */
export function heldFor({ gate }: Movable, now: number): number {
  return Math.max(0, (gate?.hold?.until ?? 0) - now);
}

/**
 * What the coordinator keeps after a command.
 * @throws SpriteSyncError `overloaded` when another holds it, `gone` when this hold is over.
 */
export function afterCommand<State extends Movable>(state: State, command: MoveCommand, now: number): State {
  const { hold, without = [] } = state.gate ?? {};
  const held = heldFor(state, now) > 0;
  const mine = held && hold?.holder === command.holder;
  if (held && !mine) throw new SpriteSyncError("overloaded", "somebody else is moving this group");
  switch (command.kind) {
    case "hold":
      // Over, or never begun: only a new holder may begin.
      if (!held && hold?.holder === command.holder) throw over();
      return { ...state, gate: { without, hold: { holder: command.holder, until: now + command.ms } } };
    case "without":
      if (!mine) throw over();
      return { ...state, gate: { hold, without: command.disks } };
    case "switch": {
      if (!mine) throw over();
      const periods = { latest: command.period, awake: true };
      return { ...state, sprite: command.sprite, periods, gate: { without: command.disks } };
    }
    case "release":
      // Too late is no mistake here.
      return mine ? { ...state, gate: { without } } : state;
    case "settled":
      return { ...state, gate: { hold, without: [] } };
  }
}

function over(): SpriteSyncError {
  return new SpriteSyncError(
    "gone",
    "the hold on this group is over, and it may have been written to; begin anew",
  );
}
