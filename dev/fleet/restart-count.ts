/** Fly counts restarts within five minutes (facts/fly-machines §1.4). */
const WINDOW_MS = 5 * 60_000;
/** Fly's pause between restarts is not documented; this one keeps a crashing program from using up the machine. */
const FIRST_PAUSE_MS = 100;
const LONGEST_PAUSE_MS = 5_000;

/** Counts a Machine's restarts for its restart policy. */
export function createRestartCount(now: () => number = Date.now) {
  let recent: number[] = [];
  return {
    /** Milliseconds to wait before the next restart, or `undefined` when `limit` restarts were made already. */
    next(limit: number): number | undefined {
      const time = now();
      recent = recent.filter((then) => time - then < WINDOW_MS);
      if (recent.length >= limit) return undefined;
      recent.push(time);
      return Math.min(FIRST_PAUSE_MS * 2 ** (recent.length - 1), LONGEST_PAUSE_MS);
    },
  };
}
