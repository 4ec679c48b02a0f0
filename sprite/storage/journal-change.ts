import type Hypercore from "hypercore";

/** One atomic change: blocks appended to the log, and rows. */
export interface JournalChange {
  readonly blocks: readonly Buffer[];
  readonly puts: ReadonlyMap<string, Buffer>;
  readonly deletes: readonly string[];
  readonly deletedPrefixes: readonly string[];
}

export function isEmptyChange({ blocks, puts, deletes, deletedPrefixes }: JournalChange): boolean {
  return blocks.length + puts.size + deletes.length + deletedPrefixes.length === 0;
}

/** Writes the rows of `change`: to the disk, or into the atom when `core` is a session of one. */
export async function writeRows(core: Hypercore, change: JournalChange): Promise<void> {
  const { puts, deletes, deletedPrefixes } = change;
  const writes = core.state.storage.write();
  for (const prefix of deletedPrefixes) writes.deleteLocalRange(Buffer.from(prefix), prefixEnd(prefix));
  for (const key of deletes) writes.deleteLocal(Buffer.from(key));
  for (const [key, value] of puts) writes.putLocal(Buffer.from(key), value);
  await writes.flush();
}

/** The first key after all keys that start with `prefix`. */
export function prefixEnd(prefix: string): Buffer {
  return Buffer.concat([Buffer.from(prefix), Buffer.from([0xff])]);
}
