import { SpriteSyncError } from "../shared/errors.ts";
import type { Log } from "../shared/log.ts";
import type { Client } from "./client.ts";

/** How long whoever is over a limit should wait: the period of wrangler.toml's `[[ratelimits]]`, milliseconds. */
const PERIOD_MS = 60_000;

/** A rate-limit binding of Cloudflare's (facts/cloudflare §4). */
export interface RateLimiter {
  limit(options: { readonly key: string }): Promise<{ readonly success: boolean }>;
}

/**
 * Whether a client may do once more what `limiter` counts. Cloudflare counts in each of its places and lets some more
 * pass: a brake for abuse, no accounting.
 * @param options.ifUnknown the answer while the counter fails.
 */
export async function mayOnceMore(
  limiter: RateLimiter | undefined,
  client: Client,
  log: Log,
  { ifUnknown = true } = {},
): Promise<boolean> {
  if (!limiter || client.kind === "sprite") return true;
  try {
    const { success } = await limiter.limit({ key: client.countedBy });
    return success;
  } catch (error) {
    log.warn({ error: String(error) }, "a rate limit could not be asked");
    return ifUnknown;
  }
}

/** What is answered to a client that opens too many sockets. */
export function tooManySessions(): SpriteSyncError {
  return new SpriteSyncError("rate", "too many new connections from your network; try again in a minute", {
    retryAfterMs: PERIOD_MS,
  });
}

/** What a client is told whose new groups have to wait. */
export function tooManySprites(): SpriteSyncError {
  return new SpriteSyncError(
    "rate",
    "you create groups faster than this server allows: they are kept by your app and stored a little later",
    { retryAfterMs: PERIOD_MS },
  );
}
