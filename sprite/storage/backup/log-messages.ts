import { blockLength, checkBlock, DamagedBlockError } from "../block.ts";
import { MAX_BLOCK_BYTES } from "../format.ts";
import type { Journal } from "../journal.ts";

/** What the log has at one place. */
export type LogItem =
  | { readonly kind: "message"; readonly seq: number; readonly bytes: Buffer }
  /** Not what was written, or not readable. */
  | { readonly kind: "damaged"; readonly seq: number }
  /** Cleared. */
  | { readonly kind: "gap"; readonly seq: number };

/** Bytes of one read that make the next one smaller, or larger. */
const LARGE_READ = 4 * 1024 * 1024;
const SMALL_READ = 1024 * 1024;
/** Blocks of one read at most. A block has 8 MiB at most, but is nearly always below 100 KB. */
const MOST_BLOCKS = 64;

interface OpenMessage {
  readonly seq: number;
  readonly parts: Buffer[];
  /** Bytes that are still to come. */
  missing: number;
}

/**
 * The log from block `start` to the one before `end()`, message by message, checked but not decoded.
 * @param end asked before every read, so that it may grow
 */
export async function* logMessages(
  journal: Journal,
  start: number,
  end: () => number,
): AsyncGenerator<LogItem> {
  let open: OpenMessage | undefined;
  let size = MOST_BLOCKS / 4;
  for (let seq = start; seq < end(); ) {
    const seqs = Array.from({ length: Math.min(size, end() - seq) }, (_, index) => seq + index);
    const blocks = await journal.readBlocks(seqs);
    seq += seqs.length;
    size = nextSize(size, blocks);
    for (const [index, block] of blocks.entries()) {
      const at = seq - seqs.length + index;
      if (!Buffer.isBuffer(block)) {
        // With one of its blocks the message is gone; what came before is nothing by itself.
        open = undefined;
        yield { kind: block === null ? "gap" : "damaged", seq: at };
        continue;
      }
      open ??= { seq: at, parts: [], missing: blockLength(block) };
      open.parts.push(block);
      open.missing -= block.length;
      // Only full blocks have a next one: a damaged length must not swallow the messages that follow.
      if (open.missing > 0 && block.length === MAX_BLOCK_BYTES) continue;
      yield messageOf(open);
      open = undefined;
    }
  }
  if (open !== undefined) yield { kind: "damaged", seq: open.seq };
}

function nextSize(size: number, blocks: readonly (Buffer | null | Error)[]): number {
  const bytes = blocks.reduce((sum, block) => sum + (Buffer.isBuffer(block) ? block.length : 0), 0);
  if (bytes > LARGE_READ) return Math.max(1, Math.floor(size / 4));
  return bytes < SMALL_READ ? Math.min(MOST_BLOCKS, size * 2) : size;
}

function messageOf({ seq, parts }: OpenMessage): LogItem {
  const [only] = parts;
  const bytes = parts.length === 1 && only !== undefined ? only : Buffer.concat(parts);
  try {
    checkBlock(bytes);
    return { kind: "message", seq, bytes };
  } catch (error) {
    if (!(error instanceof DamagedBlockError)) throw error;
    return { kind: "damaged", seq };
  }
}
