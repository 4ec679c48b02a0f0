import { keys, parseUnsyncedKey, prefixes } from "../format.ts";
import type { Journal } from "../journal.ts";
import type { DamageRecord } from "../repairer.ts";
import type { StoreState } from "./backup-record.ts";

/** A store at the moment when a backup begins. */
export interface StoreMoment {
  readonly state: StoreState;
  /** Blocks of the log. */
  readonly length: number;
  readonly covalues: number;
  /** First blocks of messages that nothing points to any more, and that are not cleared yet. */
  readonly garbage: ReadonlySet<number>;
}

/**
 * Looks at a store that may be written to meanwhile. The order matters: what is pending or garbage is so because of
 * something in the log, which must be covered; what is not synced may be more than what the log has.
 */
export async function momentOf(journal: Journal): Promise<StoreMoment> {
  const pendingDeletions: string[] = [];
  for await (const { key } of journal.rows(prefixes.pendingDelete)) {
    pendingDeletions.push(key.slice(prefixes.pendingDelete.length));
  }
  const garbage = new Set<number>();
  for await (const { key } of journal.rows(prefixes.garbage)) {
    garbage.add(Number(key.slice(prefixes.garbage.length)));
  }
  const { length } = journal;
  const unsynced: [string, string][] = [];
  for await (const { key } of journal.rows(prefixes.unsynced)) {
    const { id, peerId } = parseUnsyncedKey(key);
    unsynced.push([id, peerId]);
  }
  const damages: DamageRecord[] = [];
  for await (const { value } of journal.rows(prefixes.damage)) {
    damages.push(JSON.parse(value.toString()) as DamageRecord);
  }
  const covalues = Number((await journal.readRow(keys.count))?.toString() ?? 0);
  return { state: { pendingDeletions, unsynced, damages }, length, covalues, garbage };
}
