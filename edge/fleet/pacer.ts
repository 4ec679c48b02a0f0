import { type InLine, rankOf } from "./fair-line.ts";

/** How fast one kind of call may be made: so many a second in the long run, and `burst` at once after a rest. */
export interface Pace {
  readonly perSecond: number;
  readonly burst: number;
}

/** A question for a turn. */
export interface TurnRequest {
  /** What is paced; each key has a queue of its own. */
  readonly key: string;
  readonly pace: Pace;
  /** How long the caller would wait for its turn, milliseconds. */
  readonly patienceMs: number;
  /** Who asks. Named, it keeps its place in the queue: it is told when to come back, and then it is its turn. */
  readonly holder?: string;
  /** On whose behalf: those who wait with a client take turns client by client, and within one in the order they came. */
  readonly client?: string | undefined;
}

/** A turn `inMs` milliseconds from now; not granted when that is longer than the caller would wait. */
export interface Turn {
  readonly granted: boolean;
  readonly inMs: number;
}

/** Keeps calls within their pace by telling each when its turn is. It never waits itself. */
export interface Pacer {
  /** Turns are given in the order in which they were asked for. */
  next(request: TurnRequest): Turn | Promise<Turn>;
}

/** What a pacer must not forget. Times are milliseconds of the pacer's own clock. */
export interface PacerStore {
  /** The moment at which all turns of a key given so far will have been paid for. */
  paidAt(key: string): number | undefined;
  setPaidAt(key: string, at: number): void;
  /** When the turn of a holder is, or was. */
  due(key: string, holder: string): number | undefined;
  setDue(key: string, holder: string, at: number): void;
  /** Those that wait with a client. */
  line(key: string): readonly InLine[];
  setInLine(key: string, one: InLine): void;
  leaveLine(key: string, holder: string): void;
  /** When a client had its last turn. */
  servedAt(key: string, client: string): number | undefined;
  setServedAt(key: string, client: string, at: number): void;
  /** Forgets turns that were before `at`, and keys that were paid before it. */
  forgetBefore(at: number): void;
}

/** How long after its turn a holder may still take it, and take it again: what it began may need another try. */
export const TURN_KEPT_MS = 120_000;
/** Nobody is promised a turn further away, so that the queue stays bounded: a day's creations at one a second. */
export const LONGEST_QUEUE_MS = 86_400_000;
/** A holder in line that has not come back for this long after its time asks no more. */
const LEFT_LINE_MS = 60_000;
/** How far ahead a client that has a turn ahead may get another one: a few calls, so that none is lost. */
const SERVED_HORIZON_MS = 3_000;
/** Past this a line takes nobody in: who comes then is told to come back, and has no place. */
const LONGEST_LINE = 5_000;
/** How often what is over is forgotten. */
const TIDY_MS = 60_000;

/**
 * A pacer by the generic cell rate algorithm (ITU-T I.371, "virtual scheduling").
 *
 * 1. A turn that nobody takes costs nothing, or those who are sent away would push everybody back for ever; except a
 *    holder's, who was promised it.
 * 2. Of those who wait with a client, each client has one turn in a round. A turn is given only to one of those whose place is
 *    within its patience, so that whoever comes later with few is not behind all of another's.
 * 3. Nothing is kept but in `store`: a pacer that starts anew on it goes on as if nothing had happened.
 *
 * @param now milliseconds; never goes back.
 */
export function createPacer(
  now: () => number,
  store: PacerStore = memoryStore(),
): { next(request: TurnRequest): Turn } {
  let tidied = now();
  return {
    next({ key, pace: { perSecond, burst }, patienceMs, holder, client }) {
      const time = now();
      if (time - tidied >= TIDY_MS) {
        store.forgetBefore(time - TURN_KEPT_MS);
        tidied = time;
      }
      const promised = holder === undefined ? undefined : store.due(key, holder);
      if (promised !== undefined && time - promised < TURN_KEPT_MS) {
        const inMs = Math.max(0, promised - time);
        return { granted: inMs <= patienceMs, inMs };
      }
      const price = 1_000 / perSecond;
      const paid = Math.max(store.paidAt(key) ?? time, time) + price;
      const inMs = Math.max(0, paid - burst * price - time);
      if (holder !== undefined && client !== undefined) {
        const line = takePlace(
          store,
          key,
          { holder, client, since: time, expires: time + LEFT_LINE_MS },
          time,
        );
        const rank = rankOf(holder, line, (of) => store.servedAt(key, of));
        const expectedMs = Math.max(0, inMs + rank * price);
        // A client that has a turn ahead gets no other far ahead: those would be before whoever comes next.
        const isServed = (store.servedAt(key, client) ?? 0) > time;
        const horizonMs = isServed ? Math.min(SERVED_HORIZON_MS, patienceMs) : patienceMs;
        if (expectedMs > horizonMs) {
          // Told to come a little early: a turn that nobody asks for in time is lost.
          const backMs = expectedMs - horizonMs / 2;
          const me = line.find((one) => one.holder === holder);
          if (me) store.setInLine(key, { ...me, expires: time + backMs + LEFT_LINE_MS });
          return { granted: false, inMs: backMs };
        }
        store.leaveLine(key, holder);
        store.setServedAt(key, client, time + inMs);
      }
      const granted = inMs <= patienceMs;
      if (granted || (holder !== undefined && inMs <= LONGEST_QUEUE_MS)) {
        store.setPaidAt(key, paid);
        if (holder !== undefined) store.setDue(key, holder, time + inMs);
      }
      return { granted, inMs };
    },
  };
}

/** @returns the line with `me` in it, where it was when it has been there before. */
function takePlace(store: PacerStore, key: string, me: InLine, time: number): readonly InLine[] {
  const line: InLine[] = [];
  for (const one of store.line(key)) {
    if (one.expires > time || one.holder === me.holder) line.push(one);
    else store.leaveLine(key, one.holder);
  }
  if (line.some(({ holder }) => holder === me.holder) || line.length >= LONGEST_LINE) return line;
  return [...line, me];
}

export function memoryStore(): PacerStore {
  const paid = new Map<string, number>();
  const turns = new Map<string, number>();
  const lines = new Map<string, InLine>();
  const served = new Map<string, number>();
  return {
    paidAt: (key) => paid.get(key),
    setPaidAt: (key, at) => void paid.set(key, at),
    due: (key, holder) => turns.get(`${key} ${holder}`),
    setDue: (key, holder, at) => void turns.set(`${key} ${holder}`, at),
    line: (key) => [...lines].flatMap(([name, one]) => (name === `${key} ${one.holder}` ? [one] : [])),
    setInLine: (key, one) => void lines.set(`${key} ${one.holder}`, one),
    leaveLine: (key, holder) => void lines.delete(`${key} ${holder}`),
    servedAt: (key, client) => served.get(`${key} ${client}`),
    setServedAt: (key, client, at) => void served.set(`${key} ${client}`, at),
    forgetBefore(at) {
      for (const map of [paid, turns, served]) {
        for (const [key, time] of map) if (time < at) map.delete(key);
      }
    },
  };
}
