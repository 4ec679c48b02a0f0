import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import type { RawCoID } from "cojson";
import { keys } from "./format.ts";
import { openEngine } from "./open-storage.ts";

export interface CompactReport {
  /** Deleted CoValues that were waiting to be erased. */
  readonly erased: number;
  /** Deleted CoValues that could not be erased because they cannot be read. */
  readonly damaged: readonly RawCoID[];
  /** Bytes of the files with data: tables, blobs and write-ahead logs. */
  readonly bytesBefore: number;
  readonly bytesAfter: number;
}

/**
 * Does at once what a Sprite does bit by bit and only when it pays: erases what is deleted, clears the garbage, and has
 * RocksDB rewrite its tables so that all of that space is free.
 * @throws SpriteSyncError when there is no store, or it is in use.
 */
export async function compactStore(directory: string): Promise<CompactReport> {
  // Opened for writing, a directory without a store would become one.
  await (await openEngine(directory, { readOnly: true })).close();
  const bytesBefore = dataBytesIn(directory);
  const engine = await openEngine(directory);
  let erased = 0;
  const damaged: RawCoID[] = [];
  try {
    const { eraser, committer, journal } = engine;
    for (const id of await eraser.pending()) {
      try {
        await eraser.erase(id);
        erased++;
      } catch {
        // One that cannot be read stays in the queue, and must not keep the others from being erased.
        damaged.push(id);
      }
    }
    await eraser.sweep();
    await journal.compact();
    await committer.write(async (staging) => staging.put(keys.cleared, 0));
  } finally {
    await engine.close();
  }
  return { erased, damaged, bytesBefore, bytesAfter: dataBytesIn(directory) };
}

function dataBytesIn(directory: string): number {
  return readdirSync(directory, { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(sst|blob|log)$/.test(name))
    .reduce((sum, name) => sum + (statSync(join(directory, name), { throwIfNoEntry: false })?.size ?? 0), 0);
}
