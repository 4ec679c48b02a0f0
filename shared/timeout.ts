/**
 * `promise`, or a rejection when it has not settled after `ms`. The work behind it goes on: nothing here can stop it.
 * @param error what it rejects with; a plain Error that names the time unless given.
 */
export function withTimeout<T>(promise: Promise<T>, ms: number, error?: Error): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(error ?? new Error(`no answer within ${ms} ms`)), ms);
  return Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
