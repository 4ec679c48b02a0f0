import { promisify } from "node:util";
import { constants, zstdCompress, zstdDecompress } from "node:zlib";
import type { Segment } from "./backup-record.ts";
import { hashOf } from "./layout.ts";

const compress = promisify(zstdCompress);
const decompress = promisify(zstdDecompress);

/** Content of a segment before it is compressed; a larger message has a segment of its own. Bounds memory. */
export const SEGMENT_BYTES = 8 * 1024 * 1024;

/** Most of the content is ciphertext: higher levels cost time and gain nothing. */
const COMPRESSION_LEVEL = 3;

// [magic 8] then for each message: [sequence number u48][bytes u32][the blocks' bytes]
const MAGIC = Buffer.from("SPRSEG01");
const ENTRY_BYTES = 10;

/** A message as the log holds it. */
export interface SegmentMessage {
  readonly seq: number;
  readonly bytes: Buffer;
}

/** Collects messages until they make a segment. */
export class SegmentBuilder {
  readonly #start: number;
  readonly #limit: number;
  readonly #parts: Buffer[] = [MAGIC];
  #bytes = 0;
  #messages = 0;
  #damaged = 0;

  /** @param start sequence number of the first block that it covers @param limit bytes of content at most */
  constructor(start: number, limit: number) {
    this.#start = start;
    this.#limit = limit;
  }

  get start(): number {
    return this.#start;
  }

  /** Whether the message goes into the next segment. */
  isFullFor(message: SegmentMessage): boolean {
    return this.#messages > 0 && this.#bytes + message.bytes.length > this.#limit;
  }

  add({ seq, bytes }: SegmentMessage): void {
    const entry = Buffer.alloc(ENTRY_BYTES);
    entry.writeUIntBE(seq, 0, 6);
    entry.writeUInt32BE(bytes.length, 6);
    this.#parts.push(entry, bytes);
    this.#bytes += bytes.length;
    this.#messages++;
  }

  addDamaged(): void {
    this.#damaged++;
  }

  /** @param end sequence number after the last block that it covers */
  async finish(end: number): Promise<{ segment: Segment; object: Buffer }> {
    const params = { [constants.ZSTD_c_compressionLevel]: COMPRESSION_LEVEL };
    const object = await compress(Buffer.concat(this.#parts), { params });
    const segment = {
      start: this.#start,
      end,
      messages: this.#messages,
      damaged: this.#damaged,
      bytes: this.#bytes,
      stored: object.length,
      hash: hashOf(object),
    };
    return { segment, object };
  }
}

/**
 * The messages of a segment, in the log's order.
 * @returns what is wrong, when the object is not the one that was written
 */
export async function decodeSegment(
  object: Buffer,
  segment: Segment,
): Promise<{ messages: SegmentMessage[] } | { wrong: string }> {
  if (hashOf(object) !== segment.hash) return { wrong: "its checksum does not match" };
  const { bytes, messages: count, start, end } = segment;
  const maxOutputLength = MAGIC.length + count * ENTRY_BYTES + bytes;
  const content = await decompress(object, { maxOutputLength }).catch(() => undefined);
  if (content?.subarray(0, MAGIC.length).equals(MAGIC) !== true) return { wrong: "it is no segment" };
  const messages: SegmentMessage[] = [];
  for (let at = MAGIC.length; at < content.length; ) {
    if (content.length - at < ENTRY_BYTES) return { wrong: "it is cut short" };
    const seq = content.readUIntBE(at, 6);
    const from = at + ENTRY_BYTES;
    at = from + content.readUInt32BE(at + 6);
    if (at > content.length || seq < (messages.at(-1)?.seq ?? start - 1) + 1 || seq >= end) {
      return { wrong: "it is not in order" };
    }
    messages.push({ seq, bytes: content.subarray(from, at) });
  }
  return messages.length === count ? { messages } : { wrong: "messages are missing in it" };
}
