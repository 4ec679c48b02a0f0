/** What a {@link SpriteSyncError} is about; {@link ERROR_TABLE} says what each one leads to. */
export type ErrorCode = keyof typeof ERROR_TABLE;

interface ErrorMeaning {
  /** Whether the same call may succeed later, unchanged. */
  readonly retry: boolean;
  /** Close code of a WebSocket that ends because of it; 4000-4999 are ours (RFC 6455 §7.4.2). */
  readonly closeCode: number;
  readonly httpStatus: number;
}

/** One row for each error: what the caller does, how a socket closes, what an HTTP route answers. */
export const ERROR_TABLE = {
  "bad-frame": { retry: false, closeCode: 4400, httpStatus: 400 },
  "bad-message": { retry: false, closeCode: 4400, httpStatus: 400 },
  "too-large": { retry: false, closeCode: 1009, httpStatus: 413 },
  "header-mismatch": { retry: false, closeCode: 4400, httpStatus: 400 },
  "foreign-covalue": { retry: false, closeCode: 4403, httpStatus: 403 },
  "missing-dependency": { retry: true, closeCode: 4403, httpStatus: 403 },
  unproven: { retry: false, closeCode: 4403, httpStatus: 403 },
  "bad-pass": { retry: false, closeCode: 4401, httpStatus: 401 },
  "client-refused": { retry: false, closeCode: 4401, httpStatus: 401 },
  "wrong-sprite": { retry: true, closeCode: 4421, httpStatus: 421 },
  "over-quota": { retry: true, closeCode: 1013, httpStatus: 507 },
  overloaded: { retry: true, closeCode: 1013, httpStatus: 503 },
  asleep: { retry: true, closeCode: 4900, httpStatus: 503 },
  "storage-failed": { retry: true, closeCode: 1011, httpStatus: 503 },
  "config-invalid": { retry: false, closeCode: 1011, httpStatus: 500 },
  // Fleet errors: the kinds of design §6.
  quota: { retry: false, closeCode: 1013, httpStatus: 503 },
  rate: { retry: true, closeCode: 1013, httpStatus: 429 },
  capacity: { retry: true, closeCode: 1013, httpStatus: 503 },
  auth: { retry: false, closeCode: 1011, httpStatus: 502 },
  gone: { retry: true, closeCode: 1013, httpStatus: 502 },
  transient: { retry: true, closeCode: 1013, httpStatus: 502 },
} as const satisfies Record<string, ErrorMeaning>;

/** The one error class of this project: a code for programs, a sentence for people. */
export class SpriteSyncError extends Error {
  override readonly name = "SpriteSyncError";
  readonly code: ErrorCode;
  /** Milliseconds after which a retry makes sense, when the other side said so. */
  readonly retryAfterMs: number | undefined;

  /** @param message who, which setting or field, and what to do next; never user content or a secret. */
  constructor(code: ErrorCode, message: string, options: { cause?: unknown; retryAfterMs?: number } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = code;
    this.retryAfterMs = options.retryAfterMs;
  }

  get retry(): boolean {
    return ERROR_TABLE[this.code].retry;
  }
}

/** Any thrown thing as a {@link SpriteSyncError}; what is not one already becomes `fallback`. */
export function toSpriteSyncError(error: unknown, fallback: ErrorCode): SpriteSyncError {
  if (error instanceof SpriteSyncError) return error;
  return new SpriteSyncError(fallback, error instanceof Error ? error.message : String(error), {
    cause: error,
  });
}
