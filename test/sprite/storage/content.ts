import type { CojsonInternalTypes, RawCoID, SessionID, StorageAPI } from "cojson";

export type Content = CojsonInternalTypes.NewContentMessage;
export type KnownState = CojsonInternalTypes.CoValueKnownState;

const HEADER: CojsonInternalTypes.CoValueHeader = {
  type: "comap",
  ruleset: { type: "unsafeAllowAll" },
  meta: null,
  createdAt: null,
  uniqueness: "z1",
};

/** An id as cojson makes them, from a number. */
export function idOf(number: number): RawCoID {
  return `co_z${number.toString().padStart(27, "a")}`;
}

export function coSessionOf(number: number): SessionID {
  return `co_zauthor${number}_session_z${number}` as SessionID;
}

/** Transaction number `index` of a coSession: content that no other transaction has, of about `bytes` bytes. */
export function transactionOf(index: number, coSession: string, bytes = 40): CojsonInternalTypes.Transaction {
  const changes = JSON.stringify([{ op: "set", key: `${coSession}/${index}`, value: "x".repeat(bytes) }]);
  return {
    privacy: "trusting",
    madeAt: 1_700_000_000_000 + index,
    changes,
  } as CojsonInternalTypes.Transaction;
}

export interface Piece {
  readonly id: RawCoID;
  readonly coSession: number;
  readonly after: number;
  readonly count: number;
  readonly header?: boolean;
  /** Bytes of each transaction. */
  readonly bytes?: number;
}

/** A content message for one coSession. Its signature names what it would cover; a storage does not check it. */
export function contentOf({ id, coSession, after, count, header = after === 0, bytes }: Piece): Content {
  const session = coSessionOf(coSession);
  const transactions = Array.from({ length: count }, (_, index) =>
    transactionOf(after + index, session, bytes),
  );
  const lastSignature = `signature_z${session}:${after + count}` as CojsonInternalTypes.Signature;
  return {
    action: "content",
    id,
    ...(header ? { header: HEADER } : {}),
    priority: 3,
    new: { [session]: { after, newTransactions: transactions, lastSignature } },
  };
}

/** Stores and waits for `done`. A correction is a mistake unless it is given. */
export function storeDone(storage: StorageAPI, content: Content, correct?: (known: KnownState) => Content[]) {
  return new Promise<void>((done, fail) => {
    const unexpected = (known: KnownState) => {
      fail(new Error(`a correction was asked for: ${JSON.stringify(known)}`));
      return undefined;
    };
    storage.store(content, correct ?? unexpected, done);
  });
}

/** All messages of a load, or `undefined` when the CoValue is not found. */
export function loadAll(storage: StorageAPI, id: string): Promise<Content[] | undefined> {
  const messages: Content[] = [];
  return new Promise((resolve) => {
    storage.load(
      id,
      (message) => messages.push(message),
      (found) => resolve(found ? messages : undefined),
    );
  });
}

export function loadKnownState(storage: StorageAPI, id: string): Promise<KnownState | undefined> {
  return new Promise((resolve) => storage.loadKnownState(id, resolve));
}

/** Transactions by coSession, as a loader of these messages has them. @throws when a message leaves a gap. */
export function transactionsIn(messages: readonly Content[], id: string): Record<string, string[]> {
  const found: Record<string, string[]> = {};
  for (const message of messages) {
    if (message.id !== id) continue;
    for (const [coSession, { after, newTransactions }] of Object.entries(message.new)) {
      found[coSession] ??= [];
      if (found[coSession].length !== after)
        throw new Error(`${coSession} goes on at ${after} after ${found[coSession].length}`);
      found[coSession].push(...newTransactions.map((transaction) => JSON.stringify(transaction)));
    }
  }
  return found;
}
