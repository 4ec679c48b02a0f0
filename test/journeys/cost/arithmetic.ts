import type { Counts } from "./count.ts";
import { ARRIVAL, cycleOf, PINGS_AN_HOUR } from "./figures.ts";
import { ASSUMED, PRICES, SPRITE_PLANS } from "./prices.ts";

const HOURS_A_MONTH = 730;
const SECONDS_A_MONTH = HOURS_A_MONTH * 3_600;

/** How a fleet of groups is used. */
export interface Use {
  readonly name: string;
  readonly groups: number;
  /** Browsers that have a group open at the same time, and how many hours a month. */
  readonly tabs: number;
  readonly hoursOpen: number;
  readonly wakesADay: number;
}

/** Dollars a month. */
export interface Bill {
  readonly pings: number;
  readonly wakes: number;
  readonly arrivals: number;
  readonly machines: number;
  readonly sprites: number;
  /** Sprites that run at the same moment on average. */
  readonly running: number;
}

/** What Cloudflare charges for counted events, and for the time that coordinators work on them. */
export function priceOf(counts: Counts): number {
  const objects =
    counts["coordinator request"] +
    counts["directory request"] +
    counts["coordinator message"] / 20 +
    counts["directory message"] / 20;
  return (
    counts["worker request"] * PRICES.workerRequest +
    objects * (PRICES.objectRequest + ASSUMED.objectSeconds * ASSUMED.objectGb * PRICES.objectGbSecond) +
    counts["kv read"] * PRICES.kvRead +
    counts["kv write"] * PRICES.kvWrite +
    counts["row read"] * PRICES.rowRead +
    counts["row written"] * PRICES.rowWritten
  );
}

/** One tab that is open for an hour and silent. */
export function openHour(): number {
  return PINGS_AN_HOUR * ASSUMED.pingCpuMs * PRICES.workerCpuMs;
}

/** One wake-up of a group with `tabs` open, without the Sprite's own time. */
export function wake(tabs: number): number {
  return priceOf(cycleOf(tabs)) + tabs * ASSUMED.wakeCpuMs * PRICES.workerCpuMs;
}

export function billOf({ groups, tabs, hoursOpen, wakesADay }: Use): Bill {
  const wakes = (groups * wakesADay * HOURS_A_MONTH) / 24;
  const awakeSeconds = wakes * ASSUMED.awakeSeconds;
  const { imageGb, volumeGb, spriteGb, spriteCpus, spriteMemoryGb } = ASSUMED;
  return {
    pings: groups * tabs * hoursOpen * openHour(),
    wakes: wakes * wake(tabs),
    // A tab that is open all month is opened once; others each day.
    arrivals: groups * tabs * (hoursOpen >= HOURS_A_MONTH ? 1 : HOURS_A_MONTH / 24) * priceOf(ARRIVAL),
    machines:
      groups * (imageGb + volumeGb) * PRICES.machineStorageGbMonth +
      (awakeSeconds / (30 * 86_400)) * PRICES.machineMonth256,
    sprites:
      groups * spriteGb * PRICES.spriteStorageGbMonth +
      (awakeSeconds / 3_600) *
        (spriteCpus * PRICES.spriteCpuHour + spriteMemoryGb * PRICES.spriteMemoryGbHour),
    running: awakeSeconds / SECONDS_A_MONTH,
  };
}

/** The smallest plan of Fly Sprites that lets so many run at once. */
export function planFor(running: number): string {
  // Wakes come in crowds: three times the average must fit.
  const needed = Math.ceil(running * 3);
  const plan = SPRITE_PLANS.find((most) => needed <= most);
  return plan ? `$${plan === 3 ? 0 : plan}` : "more than any plan";
}

export const USES: readonly Use[] = [10_000, 1_000_000].flatMap((groups) => [
  { name: "open all day and night, silent", groups, tabs: 2, hoursOpen: HOURS_A_MONTH, wakesADay: 0 },
  { name: "open 8 hours a day, 20 wake-ups", groups, tabs: 2, hoursOpen: HOURS_A_MONTH / 3, wakesADay: 20 },
  { name: "closed, nobody comes", groups, tabs: 0, hoursOpen: 0, wakesADay: 0 },
]);
