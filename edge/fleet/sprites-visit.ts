import type { Fleet } from "./fleet.ts";
import type { SpritesReply } from "./sprites-errors.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";

export interface VisitOptions {
  readonly method?: "GET" | "POST";
  readonly headers?: Readonly<Record<string, string>>;
  readonly timeoutMs?: number;
}

/** Makes one HTTP request to a Sprite's own address. @throws when there is no answer in time, or the address is not trusted. */
export type Visit = (
  sprite: { readonly url: string },
  path: string,
  options?: VisitOptions,
) => Promise<SpritesReply>;

export interface VisitorDeps {
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
  readonly credentials: Fleet["credentials"];
}

/** Visits that carry the fleet's credentials. A redirect is an answer here: whoever followed it would meet a login page. */
export function createVisitor({ fetch, credentials }: VisitorDeps): Visit {
  return async ({ url }, path, { method = "GET", headers, timeoutMs = SPRITES_LIMITS.probeMs } = {}) => {
    const response = await fetch(url.replace(/\/+$/, "") + path, {
      method,
      headers: { "user-agent": "sprite-sync", ...headers, ...credentials({ url }) },
      redirect: "manual",
      signal: AbortSignal.timeout(timeoutMs),
    });
    const text = await response.text();
    return { status: response.status, headers: response.headers, body: parseJson(text) };
  };
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
