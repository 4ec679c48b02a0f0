import { LIMITS } from "../../../shared/limits.ts";
import type { Counts, Event } from "./count.ts";

/**
 * What docs/cost.md reckons with. cost.test.ts counts the same on the running product: a figure here that is not what
 * happens fails there.
 */

const NOTHING: Counts = {
  "worker request": 0,
  subrequest: 0,
  "coordinator request": 0,
  "coordinator message": 0,
  "directory request": 0,
  "directory message": 0,
  "kv read": 0,
  "kv write": 0,
  "row read": 0,
  "row written": 0,
  "sprite start": 0,
};

/** A group that is open and in which nobody writes, for as long as you like. */
export const IDLE: Counts = NOTHING;

/** One of `clients` writes to a sleeping group, all of them get it, and the Sprite falls asleep again. */
export function cycleOf(clients: number): Counts {
  return {
    ...NOTHING,
    // Each session dials once.
    subrequest: clients,
    // Each watches the next period; the first that meets the Sprite reports it; one hands on the digest that it leaves.
    "coordinator request": clients + 2,
    // The address and the periods each time, and the digest before.
    "row read": 2 * (clients + 2) + 1,
    // The digest; the address and the periods for the report, and for whoever says first that it is over.
    "row written": 5,
    "sprite start": 1,
  };
}

/**
 * A page is opened in an isolate that has never heard of the group, and the Sprite is awake. Ids are looked up in the shards
 * that they fall into, so that this is the most it can be.
 */
export const ARRIVAL: Counts = {
  ...NOTHING,
  "worker request": 1,
  subrequest: 1,
  "coordinator request": 1,
  "directory request": 3,
  // The group's address, and whether this edge is being drained, which an isolate looks up once a minute.
  "kv read": 2,
  "row read": 3,
};

/** Several sessions may report the same period before the first report is answered. */
export const MAY_REPEAT: readonly Event[] = ["coordinator request", "row read"];

export const PINGS_AN_HOUR = 3_600_000 / LIMITS.pingIntervalMs;
