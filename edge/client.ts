import { errors, jwtVerify } from "jose";
import { SpriteSyncError } from "../shared/errors.ts";
import { PASS_HEADER, verifySpritePass } from "../shared/pass.ts";
import type { ClientAuth } from "./client-auth.ts";
import type { EdgeConfig } from "./config.ts";

/** Who opened a socket: somebody whose new sessions and Sprites are counted, or one of our Sprites. */
export type Client =
  | {
      readonly kind: "visitor";
      /** What limits count by: the network it comes from, and who it is where that is known. */
      readonly countedBy: string;
      /** A name of the API key that it sent, where the edge asks for one; not the key. */
      readonly key?: string;
    }
  | { readonly kind: "sprite" };

/** Of a digest, as much as tells the keys of one deployment apart. */
const KEY_NAME_CHARS = 40;

/** The part of a request that tells who makes it. */
export type ClientRequest = Pick<Request, "url" | "headers">;

/**
 * Who makes this request. Sprites, which follow parent groups of other homes through the edge, prove it by a pass: whole
 * fleets come from one address.
 * @throws SpriteSyncError `client-refused` when the configuration asks for a key or a token and this is none.
 */
export async function clientOf(
  request: ClientRequest,
  config: Pick<EdgeConfig, "PASS_KEYS" | "clientAuth">,
): Promise<Client> {
  const pass = request.headers.get(PASS_HEADER);
  if (pass) {
    await verifySpritePass(pass, config.PASS_KEYS);
    return { kind: "sprite" };
  }
  const key = new URL(request.url).searchParams.get("key") ?? "";
  const who = await authenticate(key, config.clientAuth);
  const countedBy = who ?? networkOf(request);
  if (config.clientAuth.kind !== "key") return { kind: "visitor", countedBy };
  return { kind: "visitor", countedBy, key: (await digestOf(key)).slice(0, KEY_NAME_CHARS) };
}

/** Where a request comes from, as limits count it: an IPv4 address, or the /64 that an IPv6 host has to itself. */
export function networkOf({ headers }: Pick<ClientRequest, "headers">): string {
  const address = headers.get("CF-Connecting-IP") ?? "nowhere";
  if (!address.includes(":")) return address;
  const [left = "", right] = address.split("::", 2);
  const head = left.split(":").filter(Boolean);
  const tail = right?.split(":").filter(Boolean) ?? [];
  const zeros = right === undefined ? 0 : Math.max(0, 8 - head.length - tail.length);
  const groups = [...head, ...Array.from({ length: zeros }, () => "0"), ...tail];
  return `${groups
    .slice(0, 4)
    .map((group) => group.toLowerCase().replace(/^0+(?=.)/, ""))
    .join(":")}::/64`;
}

/** @returns a name for the client where its token has one; the holders of a key have none, they may be a whole app. */
async function authenticate(key: string, auth: ClientAuth): Promise<string | undefined> {
  switch (auth.kind) {
    case "open":
      return undefined;
    case "key":
      if (await isOneOf(key, auth.keys)) return undefined;
      throw refused("the key in `?key=` is not one that this edge knows");
    case "token":
      return `token:${await subjectOf(key, auth.keys)}`;
  }
}

async function subjectOf(token: string, keys: readonly Uint8Array[]): Promise<string> {
  let reason = "there is no key to check it with";
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: ["HS256"],
        requiredClaims: ["exp", "sub"],
      });
      return payload.sub ?? "";
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error);
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
    }
  }
  throw refused(`the token in \`?key=\` was refused: ${reason}`);
}

/** Compares digests, so that the time it takes tells nothing of how much of a key was right. */
async function isOneOf(key: string, keys: readonly string[]): Promise<boolean> {
  const digest = await digestOf(key);
  const digests = await Promise.all(keys.map(digestOf));
  return digests.includes(digest);
}

async function digestOf(text: string): Promise<string> {
  const bytes = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(text));
  return new Uint8Array(bytes).join();
}

function refused(message: string): SpriteSyncError {
  return new SpriteSyncError("client-refused", message);
}
