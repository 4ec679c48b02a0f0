// Not `zod`: its methods are all made at the import.
import * as z from "zod/mini";
import { SpriteSyncError } from "../../../shared/errors.ts";
import { FORMAT_VERSION } from "../format.ts";

const FORMAT = "sprite-sync-backup";

/** Version of records and segments. Raise it when an older program could not restore them. */
export const BACKUP_VERSION = 1;

const count = z.int().check(z.nonnegative());
const hash = z.string().check(z.regex(/^[0-9a-f]{64}$/));

const segmentSchema = z.object({
  /** Sequence numbers: the first, and the one after the last. */
  start: count,
  end: count,
  messages: count,
  /** Messages that could not be read from the store; they are not in the segment. */
  damaged: count,
  /** Bytes of the content, and of the object. */
  bytes: count,
  stored: count,
  /** SHA-256 of the object. */
  hash,
});
/** One object with a range of the log's blocks. What is missing in the range was erased, or damaged. */
export type Segment = z.infer<typeof segmentSchema>;

const damageSchema = z.object({ id: z.string(), at: z.string(), reason: z.string(), lostBlocks: count });

/** What a store holds that its log does not say. */
const stateSchema = z.object({
  /** CoValues that are deleted and wait to be erased. */
  pendingDeletions: z.array(z.string()),
  /** Pairs of a CoValue and a peer that lacks something of it. */
  unsynced: z.array(z.tuple([z.string(), z.string()])),
  damages: z.array(damageSchema),
});
export type StoreState = z.infer<typeof stateSchema>;

const recordSchema = z.object({
  format: z.literal(FORMAT),
  version: z.literal(BACKUP_VERSION),
  /** The store's name in the place, see layout.ts. */
  store: z.string(),
  generation: z.string(),
  at: z.iso.datetime(),
  /** Format of the store that was backed up. */
  storeFormat: count,
  /** The log that is covered, and the hash that tells it from another; null when its tree cannot be read. */
  log: z.object({ length: count, bytes: count, treeHash: z.nullable(hash) }),
  /** CoValues ever created in it. */
  covalues: count,
  /** From the log's first block to its last, without gaps between them. */
  segments: z.array(segmentSchema),
  state: stateSchema,
});
/** All that is needed to restore one backup, besides the segments that it names. */
export type BackupRecord = z.infer<typeof recordSchema>;

const headSchema = z.object({ format: z.literal(FORMAT), version: count, storeFormat: z.optional(count) });

export function newRecord(fields: Omit<BackupRecord, "format" | "version" | "storeFormat">): BackupRecord {
  return { format: FORMAT, version: BACKUP_VERSION, storeFormat: FORMAT_VERSION, ...fields };
}

export function encodeRecord(record: BackupRecord): Buffer {
  return Buffer.from(JSON.stringify(record));
}

/**
 * @param key the object's, for the message
 * @returns `undefined` when the bytes are not a record
 * @throws SpriteSyncError `config-invalid` when a newer program has written it
 */
export function decodeRecord(key: string, bytes: Buffer): BackupRecord | undefined {
  const value = parseJson(bytes);
  const head = headSchema.safeParse(value).data;
  if (head === undefined) return undefined;
  const { version, storeFormat = 0 } = head;
  if (version > BACKUP_VERSION || storeFormat > FORMAT_VERSION) {
    const what = `The backup ${key} was made by a newer version of this program (backup version ${version}, store format ${storeFormat}). Use that version, or name an earlier time.`;
    throw new SpriteSyncError("config-invalid", what);
  }
  const record = recordSchema.safeParse(value).data;
  return record !== undefined && isWhole(record) ? record : undefined;
}

/** Whether the segments cover the log. */
function isWhole({ segments, log }: BackupRecord): boolean {
  let next = 0;
  for (const { start, end } of segments) {
    if (start !== next || end <= start) return false;
    next = end;
  }
  return next === log.length;
}

function parseJson(bytes: Buffer): unknown {
  try {
    return JSON.parse(bytes.toString());
  } catch {
    // The caller says which object is damaged.
    return undefined;
  }
}
