export interface UntilOptions {
  /** Milliseconds before it gives up. A limit for broken code, not a pause. */
  timeoutMs?: number;
  /** What is waited for, for the error. */
  what?: string;
}

/**
 * Waits until `condition` yields something truthy and returns it. Errors count as "not yet" and are shown at the end.
 * @throws Error naming what did not happen in time.
 */
export async function until<T>(
  condition: () => T | Promise<T>,
  { timeoutMs = 15_000, what = "the condition" }: UntilOptions = {},
): Promise<NonNullable<Exclude<T, false>>> {
  const deadline = performance.now() + timeoutMs;
  let lastError: unknown;
  for (;;) {
    try {
      const value = await condition();
      if (value) return value as NonNullable<Exclude<T, false>>;
      lastError = undefined;
    } catch (error) {
      lastError = error;
    }
    if (performance.now() > deadline) {
      throw new Error(`${what} did not come true within ${timeoutMs} ms`, { cause: lastError });
    }
    await new Promise((next) => setTimeout(next, 20));
  }
}
