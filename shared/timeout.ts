/** Runs `action` once after `ms`; returns how to cancel. */
export type Later = (ms: number, action: () => void) => () => void;

/** {@link Later} by the runtime's own timers. */
export const later: Later = (ms, action) => {
  const timer = setTimeout(action, ms);
  return () => clearTimeout(timer);
};

/**
 * `promise`, or a rejection when it has not settled after `ms`. The work behind it goes on: nothing here can stop it.
 * @param error what it rejects with; a plain Error that names the time unless given.
 * @param timer whose time counts; the runtime's unless given.
 */
export function withTimeout<T>(promise: Promise<T>, ms: number, error?: Error, timer = later): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const cancel = timer(ms, () => reject(error ?? new Error(`no answer within ${ms} ms`)));
  return Promise.race([promise, late]).finally(cancel);
}
