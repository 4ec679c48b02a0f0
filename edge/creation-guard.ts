import { SpriteSyncError } from "../shared/errors.ts";
import type { GroupId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import type { Client } from "./client.ts";
import { mayOnceMore, type RateLimiter, tooManySprites } from "./client-limits.ts";
import { type CapRefusal, type Founder, sayRefusal } from "./creation-caps.ts";

/** After a refusal nothing is asked for so long, or until the cap's window ends: what waits asks often. */
const ASK_AGAIN_MS = 10_000;

export interface CreationGuardDeps {
  readonly client: Client;
  /** Cloudflare's counter, near and cheap; without the binding there is no limit a minute. */
  readonly limiter: RateLimiter | undefined;
  /** The caps of the whole deployment. */
  readonly take: (home: GroupId, founder: Founder) => Promise<CapRefusal | undefined>;
  readonly tell: (error: SpriteSyncError) => void;
  readonly now: () => number;
  readonly log: Log;
}

/**
 * Whether one client may have one more Sprite. Where that cannot be counted it may not, for the time being: a failure here
 * stops new groups only, and they wait.
 */
export class CreationGuard {
  readonly #deps: CreationGuardDeps;
  #heldUntil = 0;
  #why = tooManySprites();

  constructor(deps: CreationGuardDeps) {
    this.#deps = deps;
  }

  mayFound = async (home: GroupId): Promise<boolean> => {
    const { client, limiter, log, now, take } = this.#deps;
    if (client.kind === "sprite") return true;
    if (now() < this.#heldUntil) return false;
    if (!(await mayOnceMore(limiter, client, log, { ifUnknown: false }))) {
      this.#why = tooManySprites();
      return false;
    }
    try {
      const refusal = await take(home, { client: client.countedBy, key: client.key });
      if (!refusal) return true;
      const { cap, retryAfterMs } = refusal;
      const code = cap === "total" ? "quota" : "rate";
      this.#hold(new SpriteSyncError(code, sayRefusal(refusal), { retryAfterMs }), retryAfterMs);
    } catch (error) {
      log.warn({ error: String(error) }, "new Sprites could not be counted, so none is made");
      const text = "new groups cannot be stored just now: yours are kept by your app and stored later";
      this.#hold(new SpriteSyncError("transient", text, { retryAfterMs: ASK_AGAIN_MS }), ASK_AGAIN_MS);
    }
    return false;
  };

  onRefused = (): void => this.#deps.tell(this.#why);

  #hold(why: SpriteSyncError, forMs: number): void {
    this.#why = why;
    this.#heldUntil = this.#deps.now() + Math.min(forMs, ASK_AGAIN_MS);
  }
}
