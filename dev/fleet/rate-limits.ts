interface Bucket {
  tokens: number;
  at: number;
}

/**
 * Fly's rate limits as token buckets: each operation on each Machine, or on the app, 1 a second with a burst of 3; showing a
 * Machine 5 a second with a burst of 10 (facts/fly-machines §1.10).
 */
export function createRateLimits(now: () => number = () => performance.now()) {
  const buckets = new Map<string, Bucket>();
  return {
    /** Whether this call is still within its limit. */
    allows(operation: string, machineId: string | undefined): boolean {
      const [perSecond, burst] = operation === "Machines_show" ? [5, 10] : [1, 3];
      const key = `${operation} ${machineId ?? ""}`;
      const time = now();
      const bucket = buckets.get(key) ?? { tokens: burst, at: time };
      const tokens = Math.min(burst, bucket.tokens + ((time - bucket.at) / 1_000) * perSecond);
      const allowed = tokens >= 1;
      buckets.set(key, { tokens: allowed ? tokens - 1 : tokens, at: time });
      return allowed;
    },
  };
}
