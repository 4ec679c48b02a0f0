import { crc32 } from "node:zlib";
import type { CojsonInternalTypes, SessionID } from "cojson";
import { BLOCK_VERSION } from "./format.ts";

type Transaction = CojsonInternalTypes.Transaction;
type CoValueHeader = CojsonInternalTypes.CoValueHeader;
type Signature = CojsonInternalTypes.Signature;

/** What one coSession got from one content message. */
export interface BlockEntry {
  readonly coSession: SessionID;
  /** Index of the first transaction. */
  readonly after: number;
  readonly transactions: readonly Transaction[];
  /** Covers the coSession from its beginning to the end of these transactions. */
  readonly signature: Signature;
  /** Whether a streamed load may cut here: cojson's "signature after" (queue of ~100 KB chunks). */
  readonly boundary: boolean;
}

/** One message of the log. */
export interface Block {
  readonly id: string;
  /** Place of the CoValue in the order of creation here. */
  readonly ordinal: number;
  /** Only in the first block of a CoValue, and in its tombstone. */
  readonly header: CoValueHeader | undefined;
  /** Set in the block that replaced an erased CoValue's history. */
  readonly tombstone: boolean;
  readonly entries: readonly BlockEntry[];
}

/** A block that is not what was written. */
export class DamagedBlockError extends Error {
  override readonly name = "DamagedBlockError";
}

// [version u8][crc32 of the rest u32][bytes in all u32][bytes of the skeleton u32][skeleton: JSON][payloads in a row]
const PREFIX_BYTES = 13;
const CRC_AT = 1;
const LENGTH_AT = 5;
const SKELETON_AT = 9;

const ENCRYPTED_PREFIX = "encrypted_U";

// How a payload holds its transaction. Ciphertext is base64url: as bytes it takes a quarter less.
const CIPHERTEXT = 0;
const CIPHERTEXT_PADDED = 1;
const CIPHERTEXT_AS_TEXT = 2;
const TRUSTING = 3;
const AS_JSON = 4;

type TransactionSkeleton = [kind: number, bytes: number, madeAt?: number, keyUsed?: string];
type EntrySkeleton = [
  coSession: string,
  after: number,
  signature: string,
  boundary: 0 | 1,
  transactions: TransactionSkeleton[],
];
type Skeleton = [
  id: string,
  ordinal: number,
  header: CoValueHeader | 0,
  tombstone: 0 | 1,
  entries: EntrySkeleton[],
];

/** The block as bytes. Transactions come back with the same strings, byte for byte. */
export function encodeBlock(block: Block): Buffer {
  const payloads: Buffer[] = [];
  const entries = block.entries.map((entry): EntrySkeleton => {
    const transactions = entry.transactions.map((transaction) => encodeTransaction(transaction, payloads));
    return [entry.coSession, entry.after, entry.signature, entry.boundary ? 1 : 0, transactions];
  });
  const skeleton: Skeleton = [block.id, block.ordinal, block.header ?? 0, block.tombstone ? 1 : 0, entries];
  const text = Buffer.from(JSON.stringify(skeleton));
  const bytes = Buffer.concat([Buffer.allocUnsafe(PREFIX_BYTES), text, ...payloads]);
  bytes.writeUInt8(BLOCK_VERSION, 0);
  bytes.writeUInt32LE(bytes.length, LENGTH_AT);
  bytes.writeUInt32LE(text.length, SKELETON_AT);
  bytes.writeUInt32LE(crc32(bytes.subarray(LENGTH_AT)), CRC_AT);
  return bytes;
}

/** A look at the checksum alone. @throws DamagedBlockError when the bytes are not a whole block of this version. */
export function checkBlock(bytes: Buffer): void {
  if (bytes.length < PREFIX_BYTES) throw new DamagedBlockError("the block is cut short");
  const version = bytes.readUInt8(0);
  if (version !== BLOCK_VERSION) throw new DamagedBlockError(`the block has version ${version}`);
  if (crc32(bytes.subarray(LENGTH_AT)) !== bytes.readUInt32LE(CRC_AT)) {
    throw new DamagedBlockError("the checksum does not match");
  }
}

/** @throws DamagedBlockError when the bytes are not a whole block of this version. */
export function decodeBlock(bytes: Buffer): Block {
  checkBlock(bytes);
  const start = PREFIX_BYTES + bytes.readUInt32LE(SKELETON_AT);
  const skeleton = JSON.parse(bytes.toString("utf8", PREFIX_BYTES, start)) as Skeleton;
  const [id, ordinal, header, tombstone, entries] = skeleton;
  let offset = start;
  const take = (length: number) => {
    offset += length;
    return bytes.subarray(offset - length, offset);
  };
  return {
    id,
    ordinal,
    header: header === 0 ? undefined : header,
    tombstone: tombstone === 1,
    entries: entries.map(([coSession, after, signature, boundary, transactions]) => ({
      coSession: coSession as SessionID,
      after,
      signature: signature as Signature,
      boundary: boundary === 1,
      transactions: transactions.map((transaction) => decodeTransaction(transaction, take(transaction[1]))),
    })),
  };
}

/** Bytes of the whole block that starts with `part`: a large one spans several blocks of the log. */
export function blockLength(part: Buffer): number {
  return part.length < PREFIX_BYTES ? part.length : part.readUInt32LE(LENGTH_AT);
}

function encodeTransaction(transaction: Transaction, payloads: Buffer[]): TransactionSkeleton {
  const compact = isCompact(transaction);
  if (compact && transaction.privacy === "private") {
    const { encryptedChanges, madeAt, keyUsed } = transaction;
    const [kind, payload] = encodeCiphertext(encryptedChanges);
    payloads.push(payload);
    return [kind, payload.length, madeAt, keyUsed];
  }
  if (compact && transaction.privacy === "trusting") {
    const payload = Buffer.from(transaction.changes);
    payloads.push(payload);
    return [TRUSTING, payload.length, transaction.madeAt];
  }
  const payload = Buffer.from(JSON.stringify(transaction));
  payloads.push(payload);
  return [AS_JSON, payload.length];
}

function decodeTransaction([kind, , madeAt, keyUsed]: TransactionSkeleton, payload: Buffer): Transaction {
  switch (kind) {
    case CIPHERTEXT:
    case CIPHERTEXT_PADDED:
    case CIPHERTEXT_AS_TEXT: {
      const encryptedChanges = decodeCiphertext(kind, payload);
      return { privacy: "private", madeAt, keyUsed, encryptedChanges } as Transaction;
    }
    case TRUSTING:
      return { privacy: "trusting", madeAt, changes: payload.toString() } as Transaction;
    case AS_JSON:
      return JSON.parse(payload.toString()) as Transaction;
    default:
      throw new DamagedBlockError(`the block holds a transaction of unknown kind ${kind}`);
  }
}

/** Whether the transaction has exactly the usual fields, in a form the compact encodings give back unchanged. */
function isCompact(transaction: Transaction): boolean {
  const fields = transaction.privacy === "private" ? 4 : 3;
  if (Object.keys(transaction).length !== fields || !Number.isSafeInteger(transaction.madeAt)) return false;
  if (transaction.privacy === "private") {
    return typeof transaction.keyUsed === "string" && isPlainText(transaction.encryptedChanges);
  }
  return transaction.privacy === "trusting" && isPlainText(transaction.changes);
}

/** Lone surrogates would not survive UTF-8; JSON keeps them as escapes. */
function isPlainText(text: unknown): text is string {
  return typeof text === "string" && text.isWellFormed();
}

/** Only a spelling that comes back exactly is stored as bytes: the signature covers the text. */
function encodeCiphertext(text: string): [kind: number, payload: Buffer] {
  if (text.startsWith(ENCRYPTED_PREFIX)) {
    const payload = Buffer.from(text.slice(ENCRYPTED_PREFIX.length), "base64url");
    for (const kind of [CIPHERTEXT_PADDED, CIPHERTEXT]) {
      if (decodeCiphertext(kind, payload) === text) return [kind, payload];
    }
  }
  return [CIPHERTEXT_AS_TEXT, Buffer.from(text)];
}

function decodeCiphertext(kind: number, payload: Buffer): string {
  if (kind === CIPHERTEXT_AS_TEXT) return payload.toString();
  const encoded = payload.toString("base64url");
  const padding = kind === CIPHERTEXT_PADDED ? (4 - (encoded.length % 4)) % 4 : 0;
  return ENCRYPTED_PREFIX + encoded + "=".repeat(padding);
}
