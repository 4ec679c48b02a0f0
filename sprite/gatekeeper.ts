import type { IncomingMessage } from "node:http";
import { decodeJwt } from "jose";
import { SpriteSyncError } from "../shared/errors.ts";
import type { GroupId } from "../shared/ids.ts";
import { PASS_HEADER, type Pass, type PassKeys, verifyPass } from "../shared/pass.ts";
import { homeOfSprite, type SpriteName, spriteNameOf } from "../shared/sprite-name.ts";

/**
 * Checks the pass of an upgrade for the Sprite of `home`.
 * @throws SpriteSyncError `bad-pass`; `wrong-sprite` when the pass is good, but for another Sprite: the edge's address
 * of this one is stale.
 */
export async function checkPass(request: IncomingMessage, home: GroupId, keys: PassKeys): Promise<Pass> {
  const token = request.headers[PASS_HEADER];
  if (typeof token !== "string" || token === "") {
    throw new SpriteSyncError("bad-pass", `no pass; the edge sends one in the header ${PASS_HEADER}`);
  }
  const sprite = spriteNameOf(home);
  const audience = audienceOf(token);
  if (audience === undefined || audience === sprite) return verifyPass(token, sprite, keys);
  await verifyPass(token, audience, keys);
  throw new SpriteSyncError("wrong-sprite", "the pass is for another Sprite; look its address up again");
}

/** Whom a token says it is for, unverified. */
function audienceOf(token: string): SpriteName | undefined {
  try {
    const { aud } = decodeJwt(token);
    return typeof aud === "string" && homeOfSprite(aud) !== undefined ? (aud as SpriteName) : undefined;
  } catch {
    // No JWT at all: the verification says so.
    return undefined;
  }
}
