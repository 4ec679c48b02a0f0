import { createHash } from "node:crypto";
import type { CojsonInternalTypes, RawCoID, SessionID } from "cojson";

type Content = CojsonInternalTypes.NewContentMessage;

/** Bytes of ciphertext in a transaction. */
const TRANSACTION_BYTES = 270;

/** The first message of each of `covalues` CoValues. */
export function* firstMessages(covalues: number): Generator<Content> {
  for (let covalue = 0; covalue < covalues; covalue++) yield messageOf(covalue, 0);
}

/**
 * What clients write when `stored` CoValues have one message each: one message in three makes a CoValue, the others go to
 * those that are there, each in its turn. The same arguments give the same messages.
 * @param start how many such messages were stored before
 */
export function laterMessages(stored: number, start: number, count: number): Content[] {
  return Array.from({ length: count }, (_, index) => {
    const number = start + index;
    if (number % 3 === 0) return messageOf(stored + number / 3, 0);
    const update = number - Math.floor(number / 3) - 1;
    return messageOf(shuffled(update, stored), 1 + Math.floor(update / stored));
  });
}

/** The CoValue whose turn is `turn`: neighbours in time are none on disk. */
export function shuffled(turn: number, stored: number): number {
  return (turn * 7919) % stored;
}

/**
 * Message number `number` of a CoValue, like those of an app: mostly one to three transactions, now and then dozens, 1 to 3
 * coSessions for each CoValue, ciphertext that does not compress.
 */
function messageOf(covalue: number, number: number): Content {
  const id = idOf(covalue);
  const counts = new Map<string, number>();
  for (let before = 0; before < number; before++) {
    const coSession = coSessionOf(covalue, before);
    counts.set(coSession, (counts.get(coSession) ?? 0) + sizeOf(covalue, before));
  }
  const coSession = coSessionOf(covalue, number);
  const after = counts.get(coSession) ?? 0;
  const newTransactions = Array.from({ length: sizeOf(covalue, number) }, (_, index) =>
    transaction(`${id} ${coSession} ${after + index}`),
  );
  return {
    action: "content",
    id,
    ...(number === 0 ? { header: headerOf(covalue) } : {}),
    priority: 3,
    new: { [coSession]: { after, newTransactions, lastSignature: signature(`${id} ${number}`) } },
  };
}

function headerOf(covalue: number): CojsonInternalTypes.CoValueHeader {
  return {
    type: "comap",
    ruleset: { type: "ownedByGroup", group: idOf(covalue % 10) },
    meta: null,
    createdAt: "2025-01-01T00:00:00.000Z",
    uniqueness: `z${hashText(`unique ${covalue}`).slice(0, 16)}`,
  };
}

export function idOf(covalue: number): RawCoID {
  return `co_z${hashText(String(covalue)).slice(0, 27)}`;
}

/** Bytes of what a message carries: the transactions as JSON. */
export function transactionBytes(message: Content): number {
  let sum = 0;
  for (const { newTransactions } of Object.values(message.new)) {
    for (const tx of newTransactions) sum += JSON.stringify(tx).length;
  }
  return sum;
}

function sizeOf(covalue: number, number: number): number {
  const random = hash(covalue * 1_009 + number);
  return random % 20 === 0 ? 1 + (hash(random) % 50) : 1 + (hash(random) % 3);
}

function coSessionOf(covalue: number, number: number): SessionID {
  const writer = hash(covalue * 31 + number) % 3;
  const author = hashText(`author ${(covalue + writer) % 50}`).slice(0, 27);
  return `co_z${author}_session_z${hashText(`s${writer}`).slice(0, 11)}` as SessionID;
}

function transaction(seed: string): CojsonInternalTypes.Transaction {
  const parts = Array.from({ length: Math.ceil(TRANSACTION_BYTES / 64) }, (_, index) =>
    createHash("sha512").update(`${seed} ${index}`).digest(),
  );
  const ciphertext = Buffer.concat(parts).subarray(0, TRANSACTION_BYTES).toString("base64url");
  return {
    privacy: "private",
    madeAt: 1_750_000_000_000,
    keyUsed: "key_zBenchmarkKeyId1",
    encryptedChanges: `encrypted_U${ciphertext}`,
  } as unknown as CojsonInternalTypes.Transaction;
}

function signature(seed: string): CojsonInternalTypes.Signature {
  return `signature_z${createHash("sha512").update(seed).digest("hex").slice(0, 88)}`;
}

function hash(number: number): number {
  return Math.imul(number ^ 0x9e3779b9, 0x85ebca6b) >>> 8;
}

function hashText(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
