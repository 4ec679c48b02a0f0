import type { SpriteAddress } from "./fleet/fleet.ts";
import type { Reply } from "./reply.ts";

/** Where a Sprite can be dialled, and the awake period it was last met in. */
export interface SpritePlace extends SpriteAddress {
  readonly boot: string | null;
}

/** What sessions ask a coordinator, besides its `/watch` socket. */
export interface CoordinatorApi {
  /** Where the Sprite is; created if there is none, woken if it sleeps. `fresh`: the caller could not reach it there. */
  locate(home: string, fresh: boolean): Promise<Reply<SpritePlace>>;
  /** A session has met the Sprite in this awake period. Must be answered before the session uses the socket. */
  met(boot: string): Promise<void>;
}
