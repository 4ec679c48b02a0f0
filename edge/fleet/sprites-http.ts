import { SpriteSyncError } from "../../shared/errors.ts";
import type { SpritesReply } from "./sprites-errors.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";
import { readBody } from "./sprites-streams.ts";

export interface SpritesHttpDeps {
  /** `https://api.sprites.dev` or a local host; without `/v1`. */
  readonly apiUrl: string;
  /** A Sprites token, `org/…/…/secret`. */
  readonly token: string;
  readonly fetch: (url: string, init: RequestInit) => Promise<Response>;
}

/** One call of the Sprites API. */
export interface SpritesCall {
  /** Who and what, for messages: "create g-…". */
  readonly doing: string;
  readonly method: "GET" | "POST" | "PUT" | "DELETE";
  /** Below `/v1/sprites`. */
  readonly path: string;
  /** A name may come several times. */
  readonly query?: readonly (readonly [name: string, value: string])[];
  /** Sent as JSON. */
  readonly json?: unknown;
  /** Sent as it is. */
  readonly bytes?: Uint8Array<ArrayBuffer>;
  readonly timeoutMs?: number;
  /** Of an answer in lines: whether this one is the last. The connection may stay open after it. */
  readonly isLast?: (line: string) => boolean;
}

/** An answer with its body in all forms: which of them it has, only the call knows. */
export interface SpritesAnswer extends SpritesReply {
  readonly bytes: Uint8Array;
  readonly text: string;
}

export interface SpritesHttp {
  /** Makes the call once. @throws SpriteSyncError `transient` without an answer. */
  send(call: SpritesCall): Promise<SpritesAnswer>;
}

/** @throws SpriteSyncError `config-invalid` for a token that the API would refuse, whatever the organization. */
export function createSpritesHttp({ apiUrl, token, fetch }: SpritesHttpDeps): SpritesHttp {
  const base = `${apiUrl.replace(/\/+$/, "")}/v1/sprites`;
  const authorization = spritesAuthorization(token);
  return {
    async send(call) {
      const { method, json, bytes, query = [] } = call;
      const search =
        query.length > 0 ? `?${new URLSearchParams(query.map(([key, value]) => [key, value]))}` : "";
      const type = json === undefined ? "application/octet-stream" : "application/json";
      const body = json === undefined ? bytes : JSON.stringify(json);
      try {
        const response = await fetch(base + call.path + search, {
          method,
          // Without the type the API takes a body for empty (facts/fly-sprites §1).
          headers: { authorization, "user-agent": "sprite-sync", ...(body && { "content-type": type }) },
          redirect: "manual",
          signal: AbortSignal.timeout(call.timeoutMs ?? SPRITES_LIMITS.callMs),
          ...(body && { body }),
        });
        const answer = await readBody(response, response.ok ? call.isLast : undefined);
        const text = new TextDecoder().decode(answer);
        return {
          status: response.status,
          headers: response.headers,
          bytes: answer,
          text,
          body: parseJson(text),
        };
      } catch (cause) {
        const name = cause instanceof Error ? cause.name : typeof cause;
        throw new SpriteSyncError("transient", `${call.doing}: Sprites gave no answer (${name})`, { cause });
      }
    },
  };
}

/**
 * The `Authorization` header for the Sprites API and for Sprites' addresses.
 * @throws SpriteSyncError `config-invalid` for a Fly token: the API does not take those (facts/fly-sprites §1).
 */
export function spritesAuthorization(token: string): string {
  const bare = token.trim().replace(/^Bearer\s+/i, "");
  if (!/^(FlyV1\s|fm[12][a-z]?_)/i.test(bare)) return `Bearer ${bare}`;
  throw new SpriteSyncError(
    "config-invalid",
    "SPRITES_API_TOKEN is a token of Fly.io (FlyV1 …); Sprites have tokens of their own, made at sprites.dev/account",
  );
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}
