import { createHash, randomBytes } from "node:crypto";

/**
 * Names of objects in a place:
 *
 * ```
 * <store>/<generation>/segments/<start>-<end>-<hash>.zst    blocks of the log, see segment.ts
 * <store>/<generation>/backups/<time>-<hash>.json           one backup, see backup-record.ts
 * ```
 *
 * A name holds the hash of the content, so no object is ever replaced by another one, whoever writes at the same time.
 */
const STORE_CHARS = 32;
const HASH_CHARS = 32;
const SEQ_DIGITS = 12;

const STAMP = "\\d{17}";
const RECORD = new RegExp(
  `^([0-9a-f]{${STORE_CHARS}})/(${STAMP}-[0-9a-f]{8})/backups/(${STAMP})-([0-9a-f]{${HASH_CHARS}})\\.json$`,
);
const SEGMENT = new RegExp(
  `^([0-9a-f]{${STORE_CHARS}})/(${STAMP}-[0-9a-f]{8})/segments/\\d+-\\d+-[0-9a-f]{${HASH_CHARS}}\\.zst$`,
);

/** What a key names. */
export interface ParsedKey {
  readonly store: string;
  readonly generation: string;
  /** Absent for a segment. */
  readonly at?: Date;
}

/** A store's name in a place: from its log's key, which is none of the place's business. */
export function storeIdOf(key: Buffer): string {
  return createHash("sha256").update(key).digest("hex").slice(0, STORE_CHARS);
}

/** All bits of it, in hexadecimal. */
export function hashOf(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}

export function newGeneration(at: Date): string {
  return `${stampOf(at)}-${randomBytes(4).toString("hex")}`;
}

export function startOf(generation: string): Date {
  return timeOf(generation.slice(0, 17));
}

/** @param start first block's sequence number @param end the one after the last */
export function segmentKey(
  store: string,
  generation: string,
  { start, end, hash }: { start: number; end: number; hash: string },
): string {
  const range = [start, end].map((seq) => seq.toString().padStart(SEQ_DIGITS, "0")).join("-");
  return `${store}/${generation}/segments/${range}-${hash.slice(0, HASH_CHARS)}.zst`;
}

export function recordKey(store: string, generation: string, at: Date, hash: string): string {
  return `${store}/${generation}/backups/${stampOf(at)}-${hash.slice(0, HASH_CHARS)}.json`;
}

/** Whether the object of this key is what was put there. */
export function isIntact(key: string, bytes: Uint8Array): boolean {
  return key.slice(0, key.lastIndexOf(".")).endsWith(hashOf(bytes).slice(0, HASH_CHARS));
}

/** @returns `undefined` for what is not part of a backup */
export function parseKey(key: string): ParsedKey | undefined {
  const record = RECORD.exec(key);
  if (record !== null) {
    const [, store = "", generation = "", stamp = ""] = record;
    return { store, generation, at: timeOf(stamp) };
  }
  const [, store, generation] = SEGMENT.exec(key) ?? [];
  return store === undefined || generation === undefined ? undefined : { store, generation };
}

/** ISO 8601 without separators: sorts by time. */
function stampOf(at: Date): string {
  return at.toISOString().replace(/\D/g, "");
}

function timeOf(stamp: string): Date {
  return new Date(stamp.replace(/(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)(\d{3})/, "$1-$2-$3T$4:$5:$6.$7Z"));
}
