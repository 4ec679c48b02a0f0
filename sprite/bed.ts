import { readFileSync } from "node:fs";
import type { Log } from "../shared/log.ts";
import type { Config, SleepWay } from "./config.ts";
import { type MachineApi, openMachineApi } from "./machine-api.ts";
import { TimeGaps } from "./time-gaps.ts";

/** What is put to sleep with its memory: a Sprite that refuses everybody and has nothing to write. */
export interface Sleeper {
  /** Resolves when everything is said and stored. */
  settled(): Promise<void>;
  /** It is awake again, in a new period: whoever dialled it before must learn that it slept. */
  wake(): void;
}

export interface BedDeps {
  readonly api: MachineApi;
  readonly sleeper: Sleeper;
  /** Ends the process: the other way to sleep, which always works. */
  readonly exit: () => void;
  readonly log: Log;
}

/** How often the clocks are looked at to notice that everything stood still. */
const LOOK_MS = 20;
/** A pause of this length between two looks was none of the scheduler's. */
const STOOD_STILL_MS = 500;
/**
 * How long after the accepted suspend it counts as over although no clock has shown it. Both clocks may stand still in a
 * pause; and visitors are refused until then.
 */
const UNNOTICED_MS = 1_500;
/** A Machine that Fly does not suspend although it said so would stay awake, and billed, for ever. */
const VAIN_SUSPENDS = 2;

/**
 * Puts a Sprite to sleep by suspending its Machine (facts/fly-machines §2.3, §2.5), and notices that it is awake again.
 *
 * 1. Whatever fails, it exits instead: a Sprite that wants to sleep does.
 * 2. A resume begins a new awake period, so that whoever watches is told, as after a boot.
 */
export class Bed {
  readonly #deps: BedDeps;
  #vain = 0;

  constructor(deps: BedDeps) {
    this.#deps = deps;
  }

  async lie(): Promise<void> {
    const { api, sleeper, exit, log } = this.#deps;
    try {
      await sleeper.settled();
      const asked = api.suspend();
      // The call may be cut by the very pause that it asked for: then only the clocks say that it worked.
      const gapMs = await stoodStill(asked);
      if (gapMs === undefined) await asked;
      this.#vain = gapMs === undefined ? this.#vain + 1 : 0;
      log.info(
        { gapMs: gapMs ?? 0 },
        gapMs === undefined ? "was not suspended, as far as clocks tell" : "resumed",
      );
      if (this.#vain >= VAIN_SUSPENDS) exit();
      else sleeper.wake();
    } catch (error) {
      log.warn(
        { error: error instanceof Error ? error.message : String(error) },
        "cannot be suspended; exits",
      );
      exit();
    }
  }
}

/** Resolves with the gap when the clocks show one, or with `undefined` when none did for a while after the answer. */
async function stoodStill(asked: Promise<void>): Promise<number | undefined> {
  const gaps = new TimeGaps(STOOD_STILL_MS);
  let answeredAt = Number.POSITIVE_INFINITY;
  const answered = () => {
    answeredAt = performance.now();
  };
  asked.then(answered, answered);
  for (;;) {
    const now = performance.now();
    const gapMs = gaps.next(now, Date.now());
    if (gapMs !== undefined || now - answeredAt > UNNOTICED_MS) return gapMs;
    await new Promise((next) => setTimeout(next, LOOK_MS));
  }
}

/** Fly suspends no Machine with more memory than this (facts/fly-machines §2.5). */
const SUSPENDABLE_MB = 2_048;

/**
 * Whether to sleep by suspending. `auto` does where Fly can: inside a Machine, with little enough memory and no swap.
 * `suspend` tries in any case where there is somebody to ask.
 * @param memoryMb of the Machine, if known. @param swapKb from `/proc/meminfo`.
 */
export function suspends(
  way: SleepWay,
  hasApi: boolean,
  memoryMb: number | undefined,
  swapKb: number,
): boolean {
  if (way === "exit" || !hasApi) return false;
  return way === "suspend" || ((memoryMb ?? 0) <= SUSPENDABLE_MB && swapKb === 0);
}

/** The bed of a Sprite that shall sleep by suspending its Machine, if Fly can do that here; otherwise `undefined`. */
export function openBed(
  { sleep, machineSocket, machineMb }: Pick<Config, "sleep" | "machineSocket" | "machineMb">,
  sleeper: Sleeper,
  { exit, log }: Pick<BedDeps, "exit" | "log">,
): Bed | undefined {
  const api = sleep === "exit" ? undefined : openMachineApi(machineSocket, process.env);
  if (!api || !suspends(sleep, true, machineMb, swapKb())) return undefined;
  return new Bed({ api, sleeper, exit, log });
}

/** How much swap this computer has, in KiB; none where nobody can tell. */
function swapKb(): number {
  try {
    return Number(/^SwapTotal:\s+(\d+) kB$/m.exec(readFileSync("/proc/meminfo", "utf8"))?.[1] ?? 0);
  } catch {
    // Not Linux: not a Fly Machine either.
    return 0;
  }
}
