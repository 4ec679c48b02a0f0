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
  /** Forgets turns that were before `at`, and keys that were paid before it. */
  forgetBefore(at: number): void;
}

/** How long after its turn a holder may still take it, and take it again: what it began may need another try. */
export const TURN_KEPT_MS = 120_000;
/** Nobody is promised a turn further away, so that the queue stays bounded: a day's creations at one a second. */
export const LONGEST_QUEUE_MS = 86_400_000;
/** How often what is over is forgotten. */
const TIDY_MS = 60_000;

/**
 * A pacer by the generic cell rate algorithm (ITU-T I.371, "virtual scheduling").
 *
 * 1. A turn that nobody takes costs nothing, or those who are sent away would push everybody back for ever; except a
 *    holder's, who was promised it.
 * 2. Nothing is kept but in `store`: a pacer that starts anew on it goes on as if nothing had happened.
 *
 * @param now milliseconds; never goes back.
 */
export function createPacer(
  now: () => number,
  store: PacerStore = memoryStore(),
): { next(request: TurnRequest): Turn } {
  let tidied = now();
  return {
    next({ key, pace: { perSecond, burst }, patienceMs, holder }) {
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
      const granted = inMs <= patienceMs;
      if (granted || (holder !== undefined && inMs <= LONGEST_QUEUE_MS)) {
        store.setPaidAt(key, paid);
        if (holder !== undefined) store.setDue(key, holder, time + inMs);
      }
      return { granted, inMs };
    },
  };
}

export function memoryStore(): PacerStore {
  const paid = new Map<string, number>();
  const turns = new Map<string, number>();
  return {
    paidAt: (key) => paid.get(key),
    setPaidAt: (key, at) => void paid.set(key, at),
    due: (key, holder) => turns.get(`${key} ${holder}`),
    setDue: (key, holder, at) => void turns.set(`${key} ${holder}`, at),
    forgetBefore(at) {
      for (const map of [paid, turns]) {
        for (const [key, time] of map) if (time < at) map.delete(key);
      }
    },
  };
}
