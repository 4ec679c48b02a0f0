import { parseStorageNews } from "../shared/control.ts";
import type { SpriteSyncError } from "../shared/errors.ts";
import type { GroupId } from "../shared/ids.ts";
import type { Message } from "../shared/messages.ts";

/**
 * What one client has heard of Sprites whose disks fail. It hears the beginning once, however often a Sprite says so or is
 * dialled in vain; and the end, if it heard the beginning.
 */
export class DiskNews {
  /** Homes whose disks the client believes to fail; no more than its session has upstreams. */
  readonly #failing = new Set<GroupId>();

  /** Whether the client needs a message of the Sprite of `home`. */
  passes(home: GroupId, message: Message): boolean {
    if (message.action !== "control") return true;
    const news = parseStorageNews(message.text);
    if (!news) return true;
    // A Sprite speaks for its own disk only.
    return news.home === home && this.#isNew(home, news.fails);
  }

  /** Whether the client needs to hear why the Sprite of `home` cannot be attached. */
  passesTrouble(home: GroupId, error: SpriteSyncError): boolean {
    return error.code !== "storage-failed" || this.#isNew(home, true);
  }

  #isNew(home: GroupId, fails: boolean): boolean {
    const told = this.#failing.has(home);
    if (fails) this.#failing.add(home);
    else this.#failing.delete(home);
    return told !== fails;
  }
}
