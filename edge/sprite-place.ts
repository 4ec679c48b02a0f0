import type { Digest, DigestRecord } from "../shared/digest.ts";
import type { AwakePeriod } from "./awake-periods.ts";
import type { SpriteAddress } from "./fleet/fleet.ts";
import type { Position } from "./regions.ts";
import type { Reply } from "./reply.ts";

/** Where a Sprite can be dialled. What caches hold. */
export interface SpritePlace extends SpriteAddress {
  /** The awake period it was last met in; `null` before the first. */
  readonly boot: string | null;
  /** Where it runs, for people who read an address or a log; "" when the fleet does not say. */
  readonly region?: string;
  /** What it ran when its coordinator last asked the fleet. */
  readonly image?: string;
}

/** A place as the coordinator tells it, who alone knows how many awake periods there have been. */
export interface FreshPlace extends SpritePlace {
  readonly after: number;
}

/** What sessions ask a coordinator, besides its `/watch` socket. */
export interface CoordinatorApi {
  /**
   * Where the Sprite is; created if there is none, woken if it sleeps. `fresh`: the caller could not reach it there.
   * @param near where the caller's browser is: a Sprite that has to be created is put near it.
   * @param session who asks, for the log.
   */
  locate(home: string, fresh: boolean, near?: Position, session?: string): Promise<Reply<FreshPlace>>;
  /**
   * A session has met the Sprite in this awake period. Must be answered before the session uses the socket.
   * @param session which one, for the log.
   * @returns `overtaken`: it must not use it at all, but ask where the Sprite is and dial it anew.
   */
  met(period: AwakePeriod, session?: string): Promise<{ readonly overtaken: boolean } | undefined>;
  /** The Sprite left this digest, the last thing it said in period `boot`. Whatever comes late or twice is ignored. */
  fellAsleep(boot: string, digest: Digest): Promise<void>;
  /**
   * Whether the Sprite sleeps and has, of each of these values, exactly what its record was made from.
   * @returns the period that ended, to be watched; `null` when the Sprite has to be asked itself.
   */
  unchanged(records: readonly DigestRecord[]): Promise<string | null>;
}
