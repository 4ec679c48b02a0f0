import { type CojsonInternalTypes, cojsonInternals, type SessionID } from "cojson";
import type { BlockEntry } from "./block.ts";
import type { CoValueRow, StoredCoSession } from "./row.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;

/** What a content message adds to a CoValue, decided without touching a disk. */
export type StagedContent =
  /** Nothing is stored and the message has no header: all of the value is needed. */
  | { readonly kind: "headerless" }
  | {
      readonly kind: "staged";
      readonly coSessions: readonly StoredCoSession[];
      /** Transactions that were not stored yet, by coSession; empty when the message brought nothing new. */
      readonly entries: readonly BlockEntry[];
      /** Whether a coSession in the message starts after what is stored, so that a correction must fill the gap. */
      readonly behind: boolean;
    };

/** The counterpart of cojson's `storeSingle` and `putNewTxs` (cojson/src/storage/storageAsync.ts). */
export function stageContent(row: CoValueRow | undefined, message: NewContentMessage): StagedContent {
  if (row === undefined && message.header === undefined) return { kind: "headerless" };
  const coSessions = [...(row?.coSessions ?? [])];
  const entries: BlockEntry[] = [];
  let behind = false;
  for (const [id, content] of Object.entries(message.new)) {
    const coSessionId = id as SessionID;
    const index = coSessions.findLastIndex((coSession) => coSession.id === id);
    const stored = coSessions[index] ?? { id: coSessionId, count: 0, bytesSinceBoundary: 0, boundaries: 0 };
    const after = content.after || 0;
    if (stored.count < after) {
      behind = true;
      continue;
    }
    const transactions = content.newTransactions.slice(stored.count - after);
    if (transactions.length === 0) continue;
    const grown = grow(stored, transactions);
    if (index === -1) coSessions.push(grown);
    else coSessions[index] = grown;
    entries.push({
      coSession: coSessionId,
      after: stored.count,
      transactions,
      signature: content.lastSignature,
      boundary: grown.boundaries > stored.boundaries,
    });
  }
  return { kind: "staged", coSessions, entries, behind };
}

function grow(
  stored: StoredCoSession,
  transactions: readonly CojsonInternalTypes.Transaction[],
): StoredCoSession {
  const bytes = transactions.reduce((sum, tx) => sum + cojsonInternals.getTransactionSize(tx), 0);
  const total = stored.bytesSinceBoundary + bytes;
  const cut = total > cojsonInternals.TRANSACTION_CONFIG.MAX_RECOMMENDED_TX_SIZE;
  return {
    id: stored.id,
    count: stored.count + transactions.length,
    bytesSinceBoundary: cut ? 0 : total,
    boundaries: stored.boundaries + (cut ? 1 : 0),
  };
}
