import type { CoSessions } from "../shared/known-state.ts";
import { COST } from "./remembered.ts";

/**
 * Transaction counts by coSession, for keeping many of them: `[id, count, id, count, …]` for a value of few writers, a
 * map for one of many. As an object each set of writers would cost a hidden class of V8 besides (about 170 bytes). The ids
 * are keys of parsed JSON, which V8 keeps once however many values they are in.
 */
export type Tally = readonly (string | number)[] | ReadonlyMap<string, number>;

/** Past so many writers finding one in a list takes too long. */
const LIST_WRITERS = 8;

export const EMPTY_TALLY: Tally = [];

/** Bytes of heap for a tally, the ids in it apart, which V8 keeps once for all. */
export function bytesOfTally(tally: Tally): number {
  return isMap(tally) ? tally.size * COST.mapEntry : tally.length * (COST.listEntry / 2);
}

export function tallyOf(counts: CoSessions): Tally {
  const ids = Object.keys(counts);
  if (ids.length > LIST_WRITERS) return new Map(Object.entries(counts));
  // Its size is given, so that V8 leaves no room for more.
  const list = new Array<string | number>(2 * ids.length);
  for (const [n, id] of ids.entries()) {
    list[2 * n] = id;
    list[2 * n + 1] = counts[id] ?? 0;
  }
  return list;
}

export function countsOf(tally: Tally): CoSessions {
  if (isMap(tally)) return Object.fromEntries(tally);
  const counts: CoSessions = {};
  for (let n = 0; n < tally.length; n += 2) counts[String(tally[n])] = Number(tally[n + 1]);
  return counts;
}

/** Whether `counts` has at least what `tally` has of each coSession. */
export function covers(counts: CoSessions, tally: Tally): boolean {
  if (isMap(tally)) {
    for (const [id, count] of tally) if ((counts[id] ?? 0) < count) return false;
    return true;
  }
  for (let n = 0; n < tally.length; n += 2) {
    if ((counts[tally[n] as string] ?? 0) < Number(tally[n + 1])) return false;
  }
  return true;
}

/** Whether `tally` has at least what `counts` has of each coSession. */
export function isCovered(counts: CoSessions, tally: Tally): boolean {
  for (const id in counts) if (countIn(tally, id) < (counts[id] ?? 0)) return false;
  return true;
}

/** `tally` with the larger count of each coSession. Changes `tally` if it has room, so that it must not be used again. */
export function raised(tally: Tally, counts: CoSessions): Tally {
  let grown = false;
  for (const id in counts) {
    const count = counts[id] ?? 0;
    if (isMap(tally)) {
      if ((tally.get(id) ?? 0) < count) (tally as Map<string, number>).set(id, count);
      continue;
    }
    const at = tally.indexOf(id);
    if (at === -1) grown ||= count > 0;
    else if (Number(tally[at + 1]) < count) (tally as (string | number)[])[at + 1] = count;
  }
  return grown ? tallyOf(mergedCounts(countsOf(tally), counts)) : tally;
}

function mergedCounts(target: CoSessions, source: CoSessions): CoSessions {
  for (const id in source) {
    const count = source[id] ?? 0;
    if (count > (target[id] ?? 0)) target[id] = count;
  }
  return target;
}

function countIn(tally: Tally, id: string): number {
  if (isMap(tally)) return tally.get(id) ?? 0;
  const at = tally.indexOf(id);
  return at === -1 ? 0 : Number(tally[at + 1]);
}

function isMap(tally: Tally): tally is ReadonlyMap<string, number> {
  return tally instanceof Map;
}
