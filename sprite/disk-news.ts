import { errorMessage, storageMessage } from "../shared/control.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import type { GroupId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import type { SpriteStorage } from "./sprite-deps.ts";
import type { Upstream } from "./upstream.ts";

type Listener = Pick<Upstream, "sendText">;

/**
 * Tells upstreams that the disk takes no writes, when that begins and when it ends.
 *
 * 1. An upstream hears the present state first, so that the edge knows of an end that came while it was detached.
 * 2. After that it hears of each change that {@link check} sees, and of nothing else.
 */
export class DiskNews {
  readonly #home: GroupId | undefined;
  readonly #upstreams: ReadonlySet<Listener>;
  readonly #log: Log;
  #fails = false;

  /** @param home whose Sprite this is; `undefined` where all groups have one. */
  constructor(home: GroupId | undefined, upstreams: ReadonlySet<Listener>, log: Log) {
    this.#home = home;
    this.#upstreams = upstreams;
    this.#log = log;
  }

  /** To be called about every second: a disk that fails and recovers more often than that is not worth more messages. */
  check(state: SpriteStorage["state"]): void {
    const fails = state?.kind === "failed";
    if (fails === this.#fails) return;
    this.#fails = fails;
    // That it fails is logged with the reason, by the storage.
    if (!fails) this.#log.info({}, "the disk takes writes again");
    for (const upstream of this.#upstreams) this.tell(upstream);
  }

  /** Tells one upstream, which has just been opened. */
  tell(upstream: Listener): void {
    const home = this.#home;
    upstream.sendText(this.#fails ? errorMessage(DISK_FAILS, undefined, home) : storageMessage(home, "ok"));
  }
}

/** The reason is for the log: it names files. */
const DISK_FAILS = new SpriteSyncError(
  "storage-failed",
  "the disk of this group's server takes no writes; they are kept, and stored and acknowledged once it does",
);
