import { type ErrorCode, SpriteSyncError } from "../../shared/errors.ts";
import { retryAfterMs } from "./machines-errors.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";

/** What the Sprites API, or a Sprite's address, answered. `body` is `undefined` when the text is no JSON. */
export interface SpritesReply {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: unknown;
}

/** The plan's running cap: it can be met by a create and by every wake (facts/fly-sprites §1). */
export const RUNNING_CAP = "concurrent_sprite_limit_exceeded";
/** A platform's sentence is for the operator's log; a gateway's page is not. */
const MESSAGE_CHARS = 300;

/**
 * The error that a refusal means (facts/fly-sprites §1). The body may be JSON, prose or a proxy's page, and any field of it
 * may be missing.
 *
 * @param doing who and what, for the message: "create g-…".
 * @param now milliseconds since the epoch.
 */
export function spritesError(doing: string, reply: SpritesReply, now: number): SpriteSyncError {
  const said = field(reply.body, "error");
  const more = field(reply.body, "message");
  const text = [said, more].filter((part) => typeof part === "string").join(": ");
  const code = spritesKindOf(reply.status, said);
  const quoted = text === "" ? "without a readable reason" : `"${text.slice(0, MESSAGE_CHARS)}"`;
  const message = `${doing}: Sprites answered ${reply.status} ${quoted}${ADVICE[code] ?? ""}`;
  if (code !== "rate" && code !== "capacity") return new SpriteSyncError(code, message);
  const pause = code === "rate" ? SPRITES_LIMITS.ratePauseMs : SPRITES_LIMITS.slotPauseMs;
  return new SpriteSyncError(code, message, { retryAfterMs: pauseOf(reply, now) ?? pause });
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  auth: "; check SPRITES_API_TOKEN: a Sprites token of this organization, made at sprites.dev/account",
  quota: "; raise the organization's plan at sprites.dev/account",
  capacity: "; more Sprites at once need a larger plan",
  "config-invalid": "; check SPRITE_RELEASE and the service's settings",
};

/** Which of the contract's kinds an answer belongs to. */
export function spritesKindOf(status: number, said: unknown): ErrorCode {
  // A Sprite's address sends whoever it does not know to a page for logging in (facts/fly-sprites §4).
  if (status >= 300 && status < 400) return "auth";
  if (status === 401 || status === 403) return "auth";
  if (status === 402) return "quota";
  if (status === 404) return "gone";
  if (status === 429) return said === RUNNING_CAP ? "capacity" : "rate";
  // 409 is a conflict of the moment, 408 and 425 are about time: all other refusals will be the same next time.
  if (status >= 400 && status < 500 && ![408, 409, 410, 425].includes(status)) return "config-invalid";
  return "transient";
}

/** Milliseconds until a retry makes sense: the body knows best, then `Retry-After`, then the limit's reset. */
function pauseOf({ headers, body }: SpritesReply, now: number): number | undefined {
  const seconds = field(body, "retry_after_seconds");
  if (typeof seconds === "number" && seconds > 0) return seconds * 1_000;
  const header = retryAfterMs(headers.get("retry-after"), now);
  if (header !== undefined) return header;
  const reset = Number(headers.get("x-ratelimit-reset") ?? Number.NaN) * 1_000;
  return reset > now ? reset - now : undefined;
}

function field(body: unknown, name: string): unknown {
  return typeof body === "object" && body !== null ? (body as Record<string, unknown>)[name] : undefined;
}
