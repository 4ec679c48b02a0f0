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
   */
  locate(home: string, fresh: boolean, near?: Position): Promise<Reply<FreshPlace>>;
  /** A session has met the Sprite in this awake period. Must be answered before the session uses the socket. */
  met(period: AwakePeriod): Promise<void>;
}
