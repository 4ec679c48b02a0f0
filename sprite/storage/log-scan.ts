import { type Block, blockLength } from "./block.ts";
import { assemble, type DamagedHistoryError } from "./history.ts";
import type { Journal } from "./journal.ts";
import type { BlockPlace } from "./row.ts";

/** One message of the log, or what is left of it. */
export interface LoggedBlock {
  readonly place: BlockPlace;
  readonly block: Block | DamagedHistoryError;
}

const BLOCKS_PER_READ = 256;

/** Every message of the log from `start` on, in order, without the cleared ones. Unreadable ones are errors. */
export async function* readLog(journal: Journal, start = 0): AsyncGenerator<LoggedBlock> {
  const end = journal.length;
  let open: { seq: number; parts: (Buffer | Error)[]; missing: number } | undefined;
  for (let seq = start; seq < end; seq += BLOCKS_PER_READ) {
    const seqs = Array.from({ length: Math.min(BLOCKS_PER_READ, end - seq) }, (_, index) => seq + index);
    for (const [index, part] of (await journal.readBlocks(seqs)).entries()) {
      if (part === null) {
        open = undefined;
        continue;
      }
      open ??= { seq: seq + index, parts: [], missing: part instanceof Error ? 0 : blockLength(part) };
      open.parts.push(part);
      if (!(part instanceof Error)) open.missing -= part.length;
      if (open.missing > 0) continue;
      yield loggedBlock(open.seq, open.parts);
      open = undefined;
    }
  }
}

function loggedBlock(seq: number, parts: readonly (Buffer | Error)[]): LoggedBlock {
  const bytes = parts.reduce((sum, part) => sum + (part instanceof Error ? 0 : part.length), 0);
  return { place: { seq, span: parts.length, bytes }, block: assemble(seq, parts) };
}
