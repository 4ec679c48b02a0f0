import { SpriteSyncError } from "../shared/errors.ts";

export const CLIENT_AUTHS = ["open", "key", "token"] as const;

/** Whom the edge lets in. */
export type ClientAuth =
  | { readonly kind: "open" }
  /** Whoever sends one of these as `?key=`, the place in which Jazz clients send their API key. */
  | { readonly kind: "key"; readonly keys: readonly string[] }
  /** Whoever sends as `?key=` a JWT (HS256; `sub`, `exp`) that one of these has signed. */
  | { readonly kind: "token"; readonly keys: readonly Uint8Array[] };

/** A key that is guessed opens the edge to anybody. */
const KEY_LENGTH = 16;
/** As long as what HS256 makes of it. */
const SECRET_LENGTH = 32;

/**
 * Reads `CLIENT_AUTH` and `CLIENT_KEYS`: keys or secrets, separated by commas.
 * @throws SpriteSyncError `config-invalid`
 */
export function parseClientAuth(kind: (typeof CLIENT_AUTHS)[number], keys: string | undefined): ClientAuth {
  const given = (keys ?? "")
    .split(",")
    .map((key) => key.trim())
    .filter(Boolean);
  if (kind === "open") {
    if (given.length === 0) return { kind };
    throw invalid("CLIENT_KEYS are set, but CLIENT_AUTH is open: nobody would be asked for them");
  }
  const least = kind === "key" ? KEY_LENGTH : SECRET_LENGTH;
  if (given.length === 0 || given.some((key) => key.length < least)) {
    throw invalid(
      `CLIENT_AUTH is ${kind}: CLIENT_KEYS must hold one or more secrets of at least ${least} characters, separated by commas; make one with \`openssl rand -hex 32\``,
    );
  }
  return kind === "key"
    ? { kind, keys: given }
    : { kind, keys: given.map((key) => new TextEncoder().encode(key)) };
}

function invalid(message: string): SpriteSyncError {
  return new SpriteSyncError("config-invalid", message);
}
