import { type Block, decodeBlock } from "./block.ts";
import type { Journal } from "./journal.ts";
import type { BlockPlace } from "./row.ts";

/** A log block that a row points to and that is not there, or is not what was written. */
export class DamagedHistoryError extends Error {
  override readonly name = "DamagedHistoryError";
}

/**
 * The messages of the CoValue that `places` name, in the same order, read in one trip to the disk.
 * @throws DamagedHistoryError
 */
export async function readBlocks(
  journal: Journal,
  id: string,
  places: readonly BlockPlace[],
): Promise<Block[]> {
  const read = await tryReadBlocks(journal, id, places);
  return read.map((block) => {
    if (block instanceof DamagedHistoryError) throw block;
    return block;
  });
}

/** Like {@link readBlocks}, with the error in the place of each block that is damaged. */
export async function tryReadBlocks(
  journal: Journal,
  id: string,
  places: readonly BlockPlace[],
): Promise<(Block | DamagedHistoryError)[]> {
  const seqs = places.flatMap(({ seq, span }) => Array.from({ length: span }, (_, index) => seq + index));
  const parts = await journal.readBlocks(seqs);
  let next = 0;
  return places.map(({ seq, span }) => {
    next += span;
    const block = assemble(seq, parts.slice(next - span, next));
    if (block instanceof DamagedHistoryError || block.id === id) return block;
    return new DamagedHistoryError(`block ${seq} of the log belongs to another CoValue`);
  });
}

/** A message from the blocks that it spans. */
export function assemble(
  seq: number,
  parts: readonly (Buffer | null | Error)[],
): Block | DamagedHistoryError {
  const buffers: Buffer[] = [];
  for (const part of parts) {
    if (part === null) return new DamagedHistoryError(`block ${seq} of the log is missing`);
    if (part instanceof Error)
      return new DamagedHistoryError(`block ${seq} of the log cannot be read`, { cause: part });
    buffers.push(part);
  }
  const [only] = buffers;
  try {
    return decodeBlock(buffers.length === 1 && only ? only : Buffer.concat(buffers));
  } catch (cause) {
    return new DamagedHistoryError(`block ${seq} of the log is damaged`, { cause });
  }
}
