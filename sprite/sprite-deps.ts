import type { StorageAPI } from "cojson";
import type { GroupId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import type { PassKeys } from "../shared/pass.ts";
import type { Backups } from "./backups.ts";
import type { GuestApi } from "./guest-api.ts";
import type { Listener } from "./listener.ts";
import type { PeriodCount } from "./period-count.ts";
import type { QuotaOptions } from "./quota.ts";
import type { HeaderStore } from "./residents.ts";

/** Whose server this is: one home's, behind the edge; or everybody's, for browsers directly (`npm run single`). */
export type Role =
  | {
      readonly kind: "home";
      readonly home: GroupId;
      readonly passKeys: PassKeys;
      readonly periods: PeriodCount;
    }
  | { readonly kind: "single" };

/** cojson's storage; one that knows whether its disk takes writes, or what it holds, says so. */
export type SpriteStorage = StorageAPI &
  Partial<Pick<HeaderStore, "headers">> & {
    readonly state?: { readonly kind: "ok" | "failed" };
    /** Bytes ever appended to its log. */
    readonly bytes?: number;
  };

export interface SpriteDeps {
  readonly role: Role;
  /** Opens the storage. While it fails, the Sprite refuses everybody, and calls it again until it sleeps. */
  readonly openStorage: () => Promise<SpriteStorage>;
  /** It may listen already; the Sprite closes it. */
  readonly listener: Listener;
  /** 0 = never. */
  readonly sleepAfterMs: number;
  /** As in `IdleClockDeps`. */
  readonly lostStoreMs?: number;
  /** The edge's address for clients; without it foreign parent groups are not followed. */
  readonly syncUrl?: string | undefined;
  /** What a fleet has installed here, by the name that the fleet gave it. */
  readonly setup?: string | undefined;
  /**
   * The runtime of the Fly Sprite that this runs in. That one starts the process again when it ends, and pauses it when
   * nothing is connected: so a process that nobody has visited waits there instead of ending.
   */
  readonly guest?: GuestApi | undefined;
  /** Called once the storage is open; without it nothing is backed up. */
  readonly backups?: (() => Promise<Backups>) | undefined;
  /** How much may be stored, and where it is kept what strangers have stored; the defaults, and nowhere, without it. */
  readonly quota?: QuotaOptions | undefined;
  readonly log: Log;
  /** Nothing happened for a while, and all upstreams are closed; {@link Sprite.close} is what remains to be done. */
  readonly onAsleep: () => void;
}
