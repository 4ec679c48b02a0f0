/**
 * The awake periods of one Sprite, as its coordinator has heard of them (design §4.3). A Sprite's boot id names a period;
 * the order in which the ids were first reported numbers them.
 *
 * 1. `boot` is the newest period that any session has met; `null` before the first.
 * 2. A watcher waits only if it watches the end of the newest period: then nothing has happened since. Anybody else is
 *    told at once that there is, or was, a newer period, and attaches. A wake-up can come twice, never get lost.
 * 3. `past` is bounded. A period that fell out of it counts as unknown, which leads to a superfluous attach at worst.
 */
export interface AwakePeriods {
  readonly boot: string | null;
  readonly awake: boolean;
  readonly past: readonly string[];
}

export const NEVER_AWAKE: AwakePeriods = { boot: null, awake: false, past: [] };

const REMEMBERED = 16;

/** A session has met the Sprite in period `boot`. `news`: it is one that watchers have not been told about. */
export function wasMet(periods: AwakePeriods, boot: string): { periods: AwakePeriods; news: boolean } {
  if (periods.boot === boot) return { periods: { ...periods, awake: true }, news: false };
  if (periods.past.includes(boot)) return { periods, news: false };
  return { periods: { boot, awake: true, past: remember(periods) }, news: true };
}

/** A session saw the end of period `boot` and wants to know of the next. `waits`: there is none yet. */
export function beginsWatching(
  periods: AwakePeriods,
  boot: string,
): { periods: AwakePeriods; waits: boolean } {
  if (periods.boot !== boot) return { periods, waits: false };
  return { periods: { ...periods, awake: false }, waits: true };
}

function remember({ boot, past }: AwakePeriods): string[] {
  return boot === null ? [...past] : [...past.slice(1 - REMEMBERED), boot];
}
