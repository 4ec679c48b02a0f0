import { type CojsonInternalTypes, cojsonInternals } from "cojson";
import type { Block } from "./block.ts";
import { DamagedHistoryError, readBlocks } from "./history.ts";
import type { Journal } from "./journal.ts";
import { type CoValueRow, knownStateOf, type Pointer } from "./row.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;
type CoValueHeader = CojsonInternalTypes.CoValueHeader;

/** Bytes of a streamed value in memory at once; a single larger chunk still goes through. */
const READ_AHEAD_BYTES = 2 * 1024 * 1024;

/**
 * A stored CoValue as content messages: one, or for large values a stream of ~100 KB chunks, each cut where a stored
 * signature covers it (the same cuts and the same order as cojson/src/storage/storageAsync.ts `loadCoValue`).
 * @throws DamagedHistoryError
 */
export async function* readContent(
  journal: Journal,
  row: CoValueRow,
  pointers: readonly Pointer[],
): AsyncGenerator<NewContentMessage> {
  if (row.coSessions.every(({ boundaries }) => boundaries === 0)) {
    const blocks = await readBlocks(journal, row.id, pointers);
    const message = newMessage(row, headerOf(row, blocks));
    for (const block of blocks) addBlock(message, block);
    yield message;
    return;
  }
  yield* streamContent(journal, row, pointers);
}

async function* streamContent(
  journal: Journal,
  row: CoValueRow,
  pointers: readonly Pointer[],
): AsyncGenerator<NewContentMessage> {
  const header = headerOf(row, await readBlocks(journal, row.id, [row.header]));
  let message = newMessage(row, header);
  message.expectContentUntil = knownStateOf(row).sessions;
  const parts = row.coSessions.flatMap(({ id }, index) => partsOf(id, chunksOf(pointers, index)));
  for await (const { part, blocks } of readAhead(journal, row.id, parts)) {
    for (const block of blocks) addBlock(message, block, part.coSession);
    if (!part.push) continue;
    yield message;
    message = newMessage(row, header);
  }
  if (Object.keys(message.new).length > 0) yield message;
}

/** One chunk of one coSession. */
interface Part {
  readonly coSession: string;
  readonly chunk: readonly Pointer[];
  /** Whether the message is complete with it; a coSession in one piece goes along with the next message. */
  readonly push: boolean;
}

function partsOf(coSession: string, chunks: readonly Pointer[][]): Part[] {
  return chunks.map((chunk) => ({ coSession, chunk, push: chunks.length > 1 }));
}

/** The parts with their blocks, read some megabytes at a time: each trip to the disk costs as much as a small chunk. */
async function* readAhead(
  journal: Journal,
  id: string,
  parts: readonly Part[],
): AsyncGenerator<{ part: Part; blocks: readonly Block[] }> {
  for (let start = 0; start < parts.length; ) {
    let end = start;
    const places = new Map<number, Pointer>();
    for (let bytes = 0; end < parts.length && (end === start || bytes < READ_AHEAD_BYTES); end++) {
      for (const pointer of parts[end]?.chunk ?? []) {
        if (!places.has(pointer.seq)) bytes += pointer.bytes;
        places.set(pointer.seq, pointer);
      }
    }
    const read = await readBlocks(journal, id, [...places.values()]);
    const blocks = new Map([...places.keys()].map((seq, index) => [seq, read[index]]));
    for (const part of parts.slice(start, end)) {
      yield { part, blocks: part.chunk.flatMap(({ seq }) => blocks.get(seq) ?? []) };
    }
    start = end;
  }
}

/** The pointers of one coSession, cut after each boundary. */
function chunksOf(pointers: readonly Pointer[], coSession: number): Pointer[][] {
  const chunks: Pointer[][] = [];
  let chunk: Pointer[] = [];
  for (const pointer of pointers) {
    const range = pointer.ranges.find((candidate) => candidate.coSession === coSession);
    if (range === undefined) continue;
    chunk.push(pointer);
    if (!range.boundary) continue;
    chunks.push(chunk);
    chunk = [];
  }
  if (chunk.length > 0) chunks.push(chunk);
  return chunks;
}

function newMessage(row: CoValueRow, header: CoValueHeader): NewContentMessage {
  const priority = cojsonInternals.getPriorityFromHeader(header);
  return { action: "content", id: row.id, header, priority, new: {} };
}

function addBlock(message: NewContentMessage, block: Block, only?: string): void {
  for (const { coSession, after, transactions, signature } of block.entries) {
    if (only !== undefined && coSession !== only) continue;
    const content = message.new[coSession];
    if (content === undefined) {
      message.new[coSession] = { after, newTransactions: [...transactions], lastSignature: signature };
    } else {
      // Overlaps with what is there only after a repair.
      const next = content.after + content.newTransactions.length;
      for (const transaction of transactions.slice(next - after)) content.newTransactions.push(transaction);
      content.lastSignature = signature;
    }
  }
}

function headerOf(row: CoValueRow, blocks: readonly Block[]): CoValueHeader {
  const header = blocks.find((block) => block.header !== undefined)?.header;
  if (header === undefined)
    throw new DamagedHistoryError(`the header of ${row.id} is not where its row says`);
  return header;
}
