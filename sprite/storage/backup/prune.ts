import pLimit from "p-limit";
import type { BackupPlace } from "./place.ts";
import { type FoundStore, lastTimeOf } from "./place-index.ts";

const DELETES_AT_ONCE = 8;

export interface PruneReport {
  readonly generations: number;
  readonly objects: number;
}

/**
 * Removes the generations of a store whose last backup is older than `before`, but never `current`. Backups go before
 * the segments that they need, so an interrupted run leaves nothing that looks restorable.
 */
export async function prune(
  place: BackupPlace,
  store: FoundStore,
  current: string,
  before: Date,
): Promise<PruneReport> {
  const old = store.generations.filter(
    (generation) => generation.id !== current && lastTimeOf(generation) < before,
  );
  let objects = 0;
  const remove = async (keys: Iterable<string>) => {
    const limit = pLimit(DELETES_AT_ONCE);
    await Promise.all(Array.from(keys, (key) => limit(() => place.delete(key).then(() => objects++))));
  };
  for (const { backups, segments } of old) {
    await remove(backups.map(({ key }) => key));
    await remove(segments.keys());
  }
  return { generations: old.length, objects };
}
