import { errors, type JWTPayload, jwtVerify, SignJWT } from "jose";
import { SpriteSyncError } from "./errors.ts";
import { asHome, type GroupId, isCoValueId } from "./ids.ts";
import { LIMITS } from "./limits.ts";
import { type SpriteName, spriteNameOf } from "./sprite-name.ts";

/**
 * The header that carries the pass. Not `Authorization`: Fly Sprites' edge strips that one (facts/fly-sprites §4).
 */
export const PASS_HEADER = "x-sprite-pass";

const ALGORITHM = "HS256";
/** The audience of passes that Sprites make; no Sprite's name looks like it. */
const EDGE = "edge";

/** The audience of passes for operators' commands to the edge. */
const OPERATOR = "operator";

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
 * Reads `PASS_KEYS`: one or two secrets of at least 32 characters, separated by a comma. Two are enough for a rotation, and
 * each one more is one more that can leak.
 * @throws SpriteSyncError `config-invalid`
 */
export function parsePassKeys(text: string): PassKeys {
  const [first, ...others] = text.split(",").map((part) => part.trim());
  const keys = [first ?? "", ...others];
  if (keys.length > 2 || keys.some((key) => key.length < 32)) {
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
  return sign({ home, ...(after !== undefined && { after }) }, spriteNameOf(home), session, keys);
}

/** A pass by which a Sprite, as a client of the edge, proves that it is one: audience = the edge, subject = the Sprite. */
export function signSpritePass(home: GroupId, keys: PassKeys): Promise<string> {
  return sign({ home }, EDGE, spriteNameOf(home), keys);
}

/** A pass for an operator's command on one group: audience = the edge's commands. */
export function signOperatorPass(home: GroupId, keys: PassKeys): Promise<string> {
  return sign({ home }, OPERATOR, OPERATOR, keys);
}

function sign(claims: JWTPayload, audience: string, subject: string, keys: PassKeys): Promise<string> {
  // One look at the clock: with a second's edge between two, the pass would live a second too long and be refused.
  const now = Math.floor(Date.now() / 1_000);
  return new SignJWT(claims)
    .setProtectedHeader({ alg: ALGORITHM })
    .setAudience(audience)
    .setSubject(subject)
    .setIssuedAt(now)
    .setExpirationTime(now + LIMITS.passTtlSeconds)
    .sign(keys[0]);
}

/**
 * Checks a pass for the Sprite `sprite`.
 * @throws SpriteSyncError `bad-pass`; its message names the check that failed and never the token.
 */
export async function verifyPass(token: string, sprite: SpriteName, keys: PassKeys): Promise<Pass> {
  const { home, session, payload } = await verify(token, sprite, keys);
  if (spriteNameOf(home) !== sprite) {
    throw new SpriteSyncError("bad-pass", "the pass names a home that is not this Sprite's");
  }
  const after = Number.isSafeInteger(payload.after) ? Number(payload.after) : undefined;
  return { sprite, home, session, after };
}

/**
 * Checks the pass of a Sprite that turns to the edge.
 * @returns its home.
 * @throws SpriteSyncError `bad-pass`
 */
export async function verifySpritePass(token: string, keys: PassKeys): Promise<GroupId> {
  const { home, session } = await verify(token, EDGE, keys);
  if (spriteNameOf(home) === session) return home;
  throw new SpriteSyncError("bad-pass", "the pass names a home that is not its Sprite's");
}

/**
 * Checks the pass of an operator's command.
 * @throws SpriteSyncError `bad-pass`
 */
export async function verifyOperatorPass(token: string, home: GroupId, keys: PassKeys): Promise<void> {
  const pass = await verify(token, OPERATOR, keys);
  if (pass.home !== home) throw new SpriteSyncError("bad-pass", "the pass is for another group");
}

async function verify(token: string, audience: string, keys: PassKeys) {
  let reason = "no key";
  for (const key of keys) {
    try {
      const { payload } = await jwtVerify(token, key, {
        algorithms: [ALGORITHM],
        audience,
        clockTolerance: LIMITS.passClockToleranceSeconds,
        requiredClaims: ["iat", "exp", "sub", "home"],
      });
      const { iat = 0, exp = Number.POSITIVE_INFINITY, sub = "", home } = payload;
      // Of the two claims alone: the clock of this Machine may be behind (facts/fly-machines §2.5).
      if (exp - iat > LIMITS.passTtlSeconds) {
        throw new SpriteSyncError("bad-pass", "the pass lives longer than passes are made for");
      }
      if (!isCoValueId(home)) throw new SpriteSyncError("bad-pass", "the pass names no home");
      return { home: asHome(home), session: sub, payload };
    } catch (error) {
      if (error instanceof SpriteSyncError) throw error;
      reason = error instanceof Error ? error.message : String(error);
      // Another key may have signed it; but what else is wrong stays wrong.
      if (!(error instanceof errors.JWSSignatureVerificationFailed)) break;
    }
  }
  throw new SpriteSyncError("bad-pass", `the pass was refused: ${reason}`);
}
