/** One of a Sprite's awake periods: from a start of its process to its end. The Sprite counts them on its disk. */
export interface AwakePeriod {
  readonly number: number;
  /** Random, new with each process. */
  readonly boot: string;
  /** What the Sprite runs, as its hello said. */
  readonly version?: string;
}

/**
 * The awake periods of one Sprite, as its coordinator has heard of them (design §4.3).
 *
 * 1. `latest` is the newest period that any session has met; `null` before the first.
 * 2. A watcher waits only if it watches the end of the newest period: then nothing has happened since. Anybody else is
 *    told at once that there is, or was, a newer period, and attaches. A wake-up can come twice, never get lost.
 */
export interface AwakePeriods {
  readonly latest: AwakePeriod | null;
  /** Whether it is believed to be awake. Only dialling it tells. */
  readonly awake: boolean;
}

export const NEVER_AWAKE: AwakePeriods = { latest: null, awake: false };

/**
 * A session has met the Sprite in period `met`.
 *
 * - `news`: it is a period that watchers have not been told about.
 * - `overtaken`: a later one has been met already. Or the Sprite counts from too low, on a disk that was restored from a
 *   snapshot: then nobody would hear of what happens in this period, so whoever met it must not use it.
 */
export function wasMet(
  periods: AwakePeriods,
  met: AwakePeriod,
): { periods: AwakePeriods; news: boolean; overtaken: boolean } {
  const { latest } = periods;
  if (latest?.boot === met.boot) {
    // Its number may have been raised (sprite/period-count.ts).
    const number = Math.max(latest.number, met.number);
    const same = periods.awake && number === latest.number;
    const now = same ? periods : { latest: { ...latest, number }, awake: true };
    return { periods: now, news: false, overtaken: false };
  }
  // An equal number is newer: a Sprite that lost its disk may count one twice.
  if (latest && met.number < latest.number) return { periods, news: false, overtaken: true };
  return { periods: { latest: met, awake: true }, news: true, overtaken: false };
}

/** The Sprite has left word that period `boot` is over. `last`: it is the newest, so the Sprite sleeps. */
export function fellAsleep(periods: AwakePeriods, boot: string): { periods: AwakePeriods; last: boolean } {
  if (periods.latest?.boot !== boot) return { periods, last: false };
  return { periods: { ...periods, awake: false }, last: true };
}

/** A session saw the end of period `boot` and wants to know of the next. `waits`: there is none yet. */
export function beginsWatching(
  periods: AwakePeriods,
  boot: string,
): { periods: AwakePeriods; waits: boolean } {
  if (periods.latest?.boot !== boot) return { periods, waits: false };
  return { periods: { ...periods, awake: false }, waits: true };
}
