import { createHash } from "node:crypto";
import type { CojsonInternalTypes, RawCoID, SessionID } from "cojson";

type Content = CojsonInternalTypes.NewContentMessage;

export interface WorkloadOptions {
  readonly covalues: number;
  /** Messages per CoValue, in all. */
  readonly messages: number;
  /** Bytes of ciphertext in a transaction. */
  readonly bytes?: number;
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

/**
 * Content messages like those of an app: mostly one transaction each, now and then dozens, 1 to 3 coSessions for each
 * CoValue, ciphertext that does not compress. The same options give the same messages.
 */
export function workload({ covalues, messages, bytes = 270 }: WorkloadOptions): Content[] {
  const all: Content[] = [];
  const counts = new Map<string, number>();
  for (let number = 0; number < covalues * messages; number++) {
    const covalue = number % covalues;
    const id = idOf(covalue);
    const coSession = coSessionOf(covalue, hash(number) % 3);
    const after = counts.get(`${id} ${coSession}`) ?? 0;
    const size = hash(number * 7) % 20 === 0 ? 1 + (hash(number) % 50) : 1 + (hash(number) % 3);
    const newTransactions = Array.from({ length: size }, (_, index) =>
      transaction(`${id} ${coSession} ${after + index}`, bytes),
    );
    counts.set(`${id} ${coSession}`, after + size);
    all.push({
      action: "content",
      id,
      ...(number < covalues ? { header: headerOf(covalue) } : {}),
      priority: 3,
      new: { [coSession]: { after, newTransactions, lastSignature: signature(number) } },
    });
  }
  return all;
}

export function idOf(covalue: number): RawCoID {
  return `co_z${createHash("sha256").update(String(covalue)).digest("hex").slice(0, 27)}`;
}

/** Bytes of what the messages carry: the transactions as JSON. */
export function transactionBytes(messages: readonly Content[]): number {
  let sum = 0;
  for (const message of messages) {
    for (const { newTransactions } of Object.values(message.new)) {
      for (const tx of newTransactions) sum += JSON.stringify(tx).length;
    }
  }
  return sum;
}

function coSessionOf(covalue: number, number: number): SessionID {
  return `co_z${hashText(`author ${(covalue + number) % 50}`).slice(0, 27)}_session_z${hashText(`s${number}`).slice(0, 11)}` as SessionID;
}

function transaction(seed: string, bytes: number): CojsonInternalTypes.Transaction {
  const blocks = Math.ceil(bytes / 64);
  const parts = Array.from({ length: blocks }, (_, index) =>
    createHash("sha512").update(`${seed} ${index}`).digest(),
  );
  const encryptedChanges = `encrypted_U${Buffer.concat(parts).subarray(0, bytes).toString("base64url")}`;
  return {
    privacy: "private",
    madeAt: 1_750_000_000_000,
    keyUsed: "key_zBenchmarkKeyId1",
    encryptedChanges,
  } as unknown as CojsonInternalTypes.Transaction;
}

function signature(number: number): CojsonInternalTypes.Signature {
  return `signature_z${createHash("sha512").update(String(number)).digest("hex").slice(0, 88)}`;
}

function hash(number: number): number {
  return Math.imul(number ^ 0x9e3779b9, 0x85ebca6b) >>> 8;
}

function hashText(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
