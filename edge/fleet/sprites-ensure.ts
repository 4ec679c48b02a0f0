import { SpriteSyncError, toSpriteSyncError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import type { SpriteName } from "../../shared/sprite-name.ts";
import type { SpritesApi } from "./sprites-api.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";
import type { FlySprite } from "./sprites-types.ts";

export interface SpritesEnsureDeps {
  readonly api: SpritesApi;
  /** Until when creations are refused anyway, as the platform said; shared by all homes of this client. */
  readonly creations: { closedUntil: number };
  readonly pause: (ms: number) => Promise<void>;
  /** Milliseconds since the epoch. */
  readonly now: () => number;
  readonly log: Log;
}

/**
 * The Sprite of a name: found or created.
 *
 * 1. Each round looks before it creates, and a refused or unanswered create is followed by a look: a 500 may have made it.
 * 2. Names are unique, so of any number of callers one creates it, and the others are refused (400, 409) and adopt it.
 * 3. A lookup's 404 needs no proof here: if it lies, the create is refused. Then it is looked for until it is found.
 */
export async function ensureSprite(name: SpriteName, deps: SpritesEnsureDeps): Promise<FlySprite> {
  const { api, log } = deps;
  let failure: SpriteSyncError | undefined;
  for (let round = 1; ; round++) {
    const found = await api.get(name);
    if (found) return closed(found, name, api);
    // A name that is taken is refused with 400 or 409 (facts/fly-sprites §1); of another 400 no round makes anything else.
    const isTaken = /exist|taken|in use/i.test(failure?.message ?? "");
    if (failure?.code === "config-invalid" && !isTaken) throw failure;
    if (failure && round > SPRITES_LIMITS.ensureRounds)
      throw isTaken ? new SpriteSyncError("transient", failure.message) : failure;
    if (failure) await deps.pause(SPRITES_LIMITS.ensurePauseMs);
    refuseUntilOpen(name, deps);
    try {
      const made = await api.create(name);
      log.info({ sprite: name, id: made.id }, "Sprite created");
      return await closed(made, name, api);
    } catch (error) {
      failure = toSpriteSyncError(error, "transient");
      log.warn({ sprite: name, code: failure.code, reason: failure.message }, "create failed");
      if (failure.code === "rate") deps.creations.closedUntil = deps.now() + (failure.retryAfterMs ?? 0);
      if (["rate", "capacity", "quota", "auth"].includes(failure.code)) throw failure;
    }
  }
}

/** The creation rate is the organization's: when one home met it, the others need not ask. */
function refuseUntilOpen(name: SpriteName, { creations, now }: SpritesEnsureDeps): void {
  const inMs = creations.closedUntil - now();
  if (inMs <= 0) return;
  throw new SpriteSyncError("rate", `create ${name}: the plan's creation rate is used up for now`, {
    retryAfterMs: inMs,
  });
}

/** Setting the address's access with the create was ignored by some versions (facts/fly-sprites §1): it is read back. */
async function closed(sprite: FlySprite, name: SpriteName, api: SpritesApi): Promise<FlySprite> {
  return sprite.url_settings?.auth === "public" ? api.close(name) : sprite;
}
