import { type ErrorCode, SpriteSyncError } from "../../shared/errors.ts";

/** What an API answered, as far as its meaning depends on it. `body` is `undefined` when the text is no JSON. */
export interface ApiReply {
  readonly status: number;
  readonly headers: { get(name: string): string | null };
  readonly body: unknown;
}

const CAPACITY_STATUS = new Set(["insufficient_capacity", "volume_placement_capacity"]);
const CAPACITY_TEXT =
  /no capacity|insufficient (capacity|memory|cpu|resources)|could not reserve resource|not enough (capacity|resources)/i;
const QUOTA_TEXT =
  /quota|over the allowed|limit (of|reached|exceeded)|maximum (number|of)|too many machines/i;

/** When the answer to a rate limit names no time: the limits are 1 request a second, so a second and a little. */
const RATE_PAUSE_MS = 1_500;
/** A platform's sentence is for the operator's log; a gateway's page is not. */
const MESSAGE_CHARS = 300;

/**
 * The error that a refused call of the Machines API means (facts/fly-machines §1.9).
 *
 * @param doing who and what, for the message: "create Machine g-…".
 * @param now milliseconds since the epoch, for a `Retry-After` that is a date.
 */
export function apiError(doing: string, reply: ApiReply, now: number): SpriteSyncError {
  const text = errorText(reply.body);
  const code = kindOf(reply.status, text, statusText(reply.body));
  const request = reply.headers.get("fly-request-id");
  const said = text === "" ? "without a readable reason" : `"${text.slice(0, MESSAGE_CHARS)}"`;
  const message = `${doing}: Fly answered ${reply.status} ${said}${request ? ` (fly-request-id ${request})` : ""}${ADVICE[code] ?? ""}`;
  if (code !== "rate") return new SpriteSyncError(code, message);
  return new SpriteSyncError(code, message, {
    retryAfterMs: retryAfterMs(reply.headers.get("retry-after"), now) ?? RATE_PAUSE_MS,
  });
}

const ADVICE: Partial<Record<ErrorCode, string>> = {
  auth: "; check FLY_API_TOKEN and that it belongs to this app's organization",
  quota: "; raise the organization's limit with Fly's support or remove unused Machines",
  "config-invalid": "; check the Sprite's image, guest, regions and volume size",
};

/** Which of the contract's kinds an answer belongs to. */
export function kindOf(status: number, text: string, apiStatus: string): ErrorCode {
  if (CAPACITY_STATUS.has(apiStatus)) return "capacity";
  if (status === 401) return "auth";
  if (status === 403) return QUOTA_TEXT.test(text) ? "quota" : "auth";
  if (status === 404) return "gone";
  if (status === 429) return "rate";
  if (status === 422) return QUOTA_TEXT.test(text) ? "quota" : "config-invalid";
  if (CAPACITY_TEXT.test(text)) return "capacity";
  // A mounted volume that was deleted in the meantime is a 400; looking again heals it, unlike every other bad request.
  if (status === 400) return /not found/i.test(text) ? "transient" : "config-invalid";
  return "transient";
}

/** Milliseconds in a `Retry-After` header: seconds or an HTTP date (RFC 9110 §10.2.3). */
export function retryAfterMs(header: string | null, now: number): number | undefined {
  if (header === null || header.trim() === "") return undefined;
  const seconds = Number(header);
  if (Number.isFinite(seconds)) return Math.max(0, seconds * 1000);
  const date = Date.parse(header);
  return Number.isNaN(date) ? undefined : Math.max(0, date - now);
}

/** The sentence in `{"error":"…"}` or, from the lease routes, `{"message":"…"}`. */
function errorText(body: unknown): string {
  return stringField(body, "error") ?? stringField(body, "message") ?? "";
}

function statusText(body: unknown): string {
  return stringField(body, "status") ?? "";
}

function stringField(body: unknown, field: string): string | undefined {
  if (typeof body !== "object" || body === null || !(field in body)) return undefined;
  const value = (body as Record<string, unknown>)[field];
  return typeof value === "string" ? value : undefined;
}
