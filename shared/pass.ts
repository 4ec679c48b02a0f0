import { jwtVerify, SignJWT } from "jose";
import { SpriteSyncError } from "./errors.ts";
import { asHome, type GroupId, isCoValueId } from "./ids.ts";
import { LIMITS } from "./limits.ts";
import { type SpriteName, spriteNameOf } from "./sprite-name.ts";

/**
 * The header that carries the pass. Not `Authorization`: Fly Sprites' edge strips that one (facts/fly-sprites §4).
 */
export const PASS_HEADER = "x-sprite-pass";

const ALGORITHM = "HS256";

/** What a pass says: this session may open a socket to this Sprite, for this home. */
export interface Pass {
  readonly sprite: SpriteName;
  readonly home: GroupId;
  /** The edge's session id, for logs on both sides. */
  readonly session: string;
  /**
   * How many awake periods the Sprite's coordinator has heard of. Only there when the edge has just asked it: a Sprite that
   * lost its own count, with its disk, goes on from here.
   */
  readonly after: number | undefined;
}

/** The keys of `PASS_KEYS`: the first signs, all of them verify, so that a key can be rotated without a gap. */
export type PassKeys = readonly [Uint8Array, ...Uint8Array[]];

/**
 * Reads `PASS_KEYS`: one or two secrets of at least 32 characters, separated by a comma.
 * @throws SpriteSyncError `config-invalid`
 */
export function parsePassKeys(text: string): PassKeys {
  const [first, ...others] = text.split(",").map((part) => part.trim());
  const keys = [first ?? "", ...others];
  if (keys.some((key) => key.length < 32)) {
    throw new SpriteSyncError(
      "config-invalid",
      "PASS_KEYS must hold one secret, or two separated by a comma, of at least 32 characters each; make one with `openssl rand -hex 32`",
    );
  }
  const [signing, ...retiring] = keys.map((key) => new TextEncoder().encode(key));
  return [signing as Uint8Array, ...retiring];
}

/** A signed pass, valid for `LIMITS.passTtlSeconds`. A JWT (RFC 7519): audience = Sprite, subject = session. */
export function signPass(
  { home, session, after }: Pick<Pass, "home" | "session"> & Partial<Pick<Pass, "after">>,
  keys: PassKeys,
): Promise<string> {
  return new SignJWT({ home, ...(after !== undefined && { after }) })
    .setProtectedHeader({ alg: ALGORITHM })
    .setAudience(spriteNameOf(home))
    .setSubject(session)
    .setIssuedAt()
    .setExpirationTime(`${LIMITS.passTtlSeconds}s`)
    .sign(keys[0]);
}

/**
 * Checks a pass for the Sprite `sprite`.
 * @throws SpriteSyncError `bad-pass`; its message names the check that failed and never the token.
 */
export async function verifyPass(token: string, sprite: SpriteName, keys: PassKeys): Promise<Pass> {
  let reason = "no key";
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        audience: sprite,
        clockTolerance: LIMITS.passClockToleranceSeconds,
        requiredClaims: ["exp", "sub", "home"],
      });
      const home = payload.home;
      if (!isCoValueId(home) || spriteNameOf(asHome(home)) !== sprite) {
        throw new SpriteSyncError("bad-pass", "the pass names a home that is not this Sprite's");
      }
      const after = Number.isSafeInteger(payload.after) ? Number(payload.after) : undefined;
      return { sprite, home: asHome(home), session: payload.sub ?? "", after };
    } catch (error) {
      if (error instanceof SpriteSyncError) throw error;
      reason = error instanceof Error ? error.message : String(error);
    }
  }
  throw new SpriteSyncError("bad-pass", `the pass was refused: ${reason}`);
}
