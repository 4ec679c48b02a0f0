import { parseDigest } from "../shared/digest.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import { PASS_HEADER, verifySpritePass } from "../shared/pass.ts";
import { parseConfig } from "./config.ts";
import type { Env } from "./env.ts";

/** A boot is a UUID. */
const BOOT = /^[\w-]{1,64}$/;

/**
 * `POST /last-word?boot=…`: the digest of a Sprite that falls asleep and has no upstream to say it on. It counts for the
 * home that the Sprite's pass names, whatever it says.
 * @throws SpriteSyncError `bad-pass` before anything is read; `bad-message`
 */
export async function hearLastWord(request: Request, env: Env): Promise<void> {
  const home = await verifySpritePass(request.headers.get(PASS_HEADER) ?? "", parseConfig(env).PASS_KEYS);
  const boot = new URL(request.url).searchParams.get("boot") ?? "";
  const digest = parseDigest(await request.text());
  if (!digest || !BOOT.test(boot))
    throw new SpriteSyncError("bad-message", "a last word is a digest, with the boot that it ends as ?boot=");
  await env.COORDINATOR.get(env.COORDINATOR.idFromName(home)).fellAsleep(boot, digest);
}
