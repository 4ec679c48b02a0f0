import { LIMITS } from "../shared/limits.ts";

/**
 * What a coordinator tells each of its watchers: the Sprite is awake.
 * @param watchers how many are told. They must not all dial at once, so each is told over what time to spread.
 */
export function awakeMessage(watchers: number): string {
  const spreadMs = Math.min(
    Math.floor((watchers / LIMITS.watchersPerSecond) * 1_000),
    LIMITS.watcherSpreadMaxMs,
  );
  // A handful need not wait for each other.
  return JSON.stringify({ type: "awake", spreadMs: spreadMs < MIN_SPREAD_MS ? 0 : spreadMs });
}

const MIN_SPREAD_MS = 100;

/** @returns over how many milliseconds those who were told shall spread; 0 when the message does not say. */
export function spreadIn(text: string): number {
  try {
    const { spreadMs } = JSON.parse(text) as { spreadMs?: unknown };
    const isTime = typeof spreadMs === "number" && spreadMs >= 0 && spreadMs <= LIMITS.watcherSpreadMaxMs;
    return isTime ? spreadMs : 0;
  } catch {
    return 0;
  }
}
