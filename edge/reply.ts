import { ERROR_TABLE, type ErrorCode, SpriteSyncError } from "../shared/errors.ts";

/**
 * A result that crosses a Durable Object's boundary. Thrown errors arrive there without their class and members, so
 * that codes travel as data.
 */
export type Reply<T> =
  | { readonly ok: true; readonly value: T }
  | {
      readonly ok: false;
      readonly code: string;
      readonly message: string;
      readonly retryAfterMs: number | undefined;
    };

export function failedReply(error: SpriteSyncError): Reply<never> {
  return { ok: false, code: error.code, message: error.message, retryAfterMs: error.retryAfterMs };
}

/** @throws SpriteSyncError the error inside a failed reply. */
export function unwrapReply<T>(reply: Reply<T>): T {
  if (reply.ok) return reply.value;
  // The two sides may run different versions for minutes (facts/cloudflare §2.2): an unknown code is worth a retry.
  const code = reply.code in ERROR_TABLE ? (reply.code as ErrorCode) : "transient";
  const options = reply.retryAfterMs === undefined ? {} : { retryAfterMs: reply.retryAfterMs };
  throw new SpriteSyncError(code, reply.message, options);
}
