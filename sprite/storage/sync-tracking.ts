import type { RawCoID } from "cojson";
import type { PeerID } from "cojson/dist/sync.js";
import type { Committer } from "./committer.ts";
import { isStorableId, keys, parseUnsyncedKey, prefixes } from "./format.ts";
import type { Journal } from "./journal.ts";

export interface SyncStateUpdate {
  readonly id: RawCoID;
  readonly peerId: PeerID;
  readonly synced: boolean;
}

/** Which CoValues some peer has not got yet: a row for each pair. */
export class SyncTracking {
  readonly #journal: Journal;
  readonly #committer: Committer;

  constructor(journal: Journal, committer: Committer) {
    this.#journal = journal;
    this.#committer = committer;
  }

  /** Resolves when the updates are durable. */
  async track(updates: readonly SyncStateUpdate[]): Promise<void> {
    await this.#committer.write(async (staging) => {
      for (const { id, peerId, synced } of updates) {
        if (!isStorableId(id) || !isStorableId(peerId)) continue;
        const key = keys.unsynced(id, peerId);
        if (synced) staging.delete(key);
        else staging.put(key, 1);
      }
    });
  }

  async stop(id: RawCoID): Promise<void> {
    if (!isStorableId(id)) return;
    await this.#committer.write(async (staging) => staging.deletePrefix(prefixes.unsyncedOf(id)));
  }

  /** Ids with at least one peer that lacks something, in key order. */
  async unsynced(): Promise<RawCoID[]> {
    // After the updates that were handed over before; a disk that refuses them does not keep the list back.
    await this.#committer.write(async () => {}, { optional: true }).catch(() => undefined);
    const ids = new Set<RawCoID>();
    for await (const { key } of this.#journal.rows(prefixes.unsynced))
      ids.add(parseUnsyncedKey(key).id as RawCoID);
    return [...ids];
  }
}
