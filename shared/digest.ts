import { blake3 } from "@noble/hashes/blake3.js";
import { base64urlnopad } from "@scure/base";
import type { KnownState } from "./known-state.ts";
import { LIMITS } from "./limits.ts";

/**
 * What a Sprite leaves behind when it falls asleep, so that a client that comes back with nothing new wakes nobody
 * (docs/protocol.md): for each CoValue that it touched, a short hash of what is on its disk.
 *
 * 1. A digest is good for one thing: a client that names exactly the state which was hashed may be told that the home has
 *    it, and nothing more. Whatever is missing from it, too old or unreadable means "wake the Sprite".
 * 2. `was` and `is` name the whole content of the store when the awake period began and when it ended. What an older
 *    digest says of values that this period did not touch holds on only if that one's `is` equals this one's `was`: then
 *    nothing happened to the store in between, no crash after a write, no restored backup, no other disk.
 */
export interface Digest {
  /** `undefined`: too much was touched to tell all of it, so nothing older holds on. */
  readonly was: string | undefined;
  readonly is: string;
  /** Records, sorted, one after the other. */
  readonly values: string;
}

/** One value in a digest: its key and the hash of its state, as text of always the same length. */
export type DigestRecord = string;

/** The end of an id: base58 of a hash, so 64 bits of it. Two values with the same end cannot be taken for one another. */
const KEY_CHARS = 11;
/** 96 bits, as base64. */
const HASH_BYTES = 12;
const HASH_CHARS = 16;
const RECORD_CHARS = KEY_CHARS + HASH_CHARS;
/** In place of a hash: what older digests say about the value does not hold any more. `.` is no base64. */
const FORGET = ".".repeat(HASH_CHARS);

const RECORDS = /^[A-Za-z0-9_.-]*$/;
const encoder = new TextEncoder();

/** The record of a value in exactly this state. A coSession without transactions counts as none. */
export function recordOf(id: string, { header, sessions }: KnownState): DigestRecord {
  const parts = Object.keys(sessions)
    .filter((coSession) => sessions[coSession])
    .sort()
    .map((coSession) => `${coSession}:${sessions[coSession]}`);
  // The id takes part: values whose ids end alike differ here.
  const hash = blake3(encoder.encode([id, header, ...parts].join("\n"))).subarray(0, HASH_BYTES);
  return keyOf(id) + base64urlnopad.encode(hash);
}

/** The record that takes back what older digests say about a value. */
export function forgetRecord(id: string): DigestRecord {
  return keyOf(id) + FORGET;
}

/** Records as a digest holds them: in order of their keys, each key once. Of values that share a key nothing is told. */
export function joinRecords(records: Iterable<DigestRecord>): string {
  const byKey = new Map<string, DigestRecord>();
  for (const record of records) {
    const key = record.slice(0, KEY_CHARS);
    byKey.set(key, byKey.has(key) ? key + FORGET : record);
  }
  return [...byKey.values()].sort().join("");
}

/** Whether a digest's values hold this very record. Such with {@link FORGET} are never asked for. */
export function hasRecord(values: string, record: DigestRecord): boolean {
  let low = 0;
  let high = values.length / RECORD_CHARS;
  while (low < high) {
    const middle = (low + high) >>> 1;
    const found = recordAt(values, middle);
    if (found === record) return true;
    if (found < record) low = middle + 1;
    else high = middle;
  }
  return false;
}

/**
 * The values of a sleeping Sprite, from what was known of it and the digest of its last period.
 * @param known the `is` and values that were kept of the digests before.
 * @returns `digest.values` with what still holds of the older ones; without records that only take something back. At most
 * `LIMITS.digestValues`: older values go first.
 */
export function mergedValues(
  known: { readonly is: string; readonly values: string } | undefined,
  digest: Digest,
): string {
  const merged = new Map<string, DigestRecord>();
  for (const record of recordsIn(digest.values)) merged.set(record.slice(0, KEY_CHARS), record);
  if (known && known.is === digest.was) {
    for (const record of recordsIn(known.values)) {
      if (merged.size >= LIMITS.digestValues) break;
      const key = record.slice(0, KEY_CHARS);
      if (!merged.has(key)) merged.set(key, record);
    }
  }
  return joinRecords([...merged.values()].filter((record) => !record.endsWith(FORGET)));
}

/**
 * The last thing that a Sprite says, on one of its upstreams, before it closes them all with `CLOSE.asleep`; where it has
 * none, as the body of a `POST` to {@link LAST_WORD_PATH}.
 */
export function digestMessage({ was, is, values }: Digest): string {
  return DIGEST_START + JSON.stringify({ was, is, values }).slice(1);
}

/** Of the edge, with the boot that ends as `?boot=` and a pass of the Sprite's. */
export const LAST_WORD_PATH = "/last-word";

const DIGEST_START = '{"type":"digest",';
const MARK_CHARS = 200;

/** @returns the digest, when `frame` is the message of one; `undefined` for anything else, also for a malformed one. */
export function parseDigest(frame: unknown): Digest | undefined {
  if (!isDigestFrame(frame)) return undefined;
  try {
    const { was, is, values } = JSON.parse(frame) as Partial<Record<keyof Digest, unknown>>;
    if (was !== undefined && !isMark(was)) return undefined;
    return isMark(is) && isRecords(values) ? { was, is, values } : undefined;
  } catch {
    return undefined;
  }
}

/** Whether a frame is meant to be a digest: it goes to the coordinator and never to a client. */
export function isDigestFrame(frame: unknown): frame is string {
  return typeof frame === "string" && frame.startsWith(DIGEST_START);
}

function isMark(value: unknown): value is string {
  return typeof value === "string" && value !== "" && value.length <= MARK_CHARS;
}

function isRecords(value: unknown): value is string {
  if (typeof value !== "string" || value.length % RECORD_CHARS !== 0 || !RECORDS.test(value)) return false;
  if (value.length > LIMITS.digestValues * RECORD_CHARS) return false;
  let before = "";
  for (const record of recordsIn(value)) {
    if (record.slice(0, KEY_CHARS) <= before) return false;
    before = record.slice(0, KEY_CHARS);
  }
  return true;
}

function* recordsIn(values: string): Generator<DigestRecord> {
  for (let index = 0; index * RECORD_CHARS < values.length; index++) yield recordAt(values, index);
}

function recordAt(values: string, index: number): DigestRecord {
  return values.slice(index * RECORD_CHARS, (index + 1) * RECORD_CHARS);
}

function keyOf(id: string): string {
  return id.slice(-KEY_CHARS);
}
