import { isCoValueId } from "../shared/ids.ts";

/** A question that is answered once everything that was sent before it has been handled. */
export interface Mark {
  readonly kind: MarkKind;
  readonly message: string;
  /** What the answer names. Not to be guessed: only who has read the mark can answer it. */
  readonly answer: string;
}

/**
 * The two questions that a cojson node answers in order, and that change nothing for it.
 *
 * - `reconcile`: an empty reconciliation, answered by a `reconcile-ack` (since 0.20.10: `handleReconcile` in `sync.ts`).
 *   Older nodes write "invalid id" to their console and answer nothing.
 * - `content`: content without a header, of a value that does not exist. Every node asks for the whole value, by a
 *   correction: `known {header:false}` (0.16.7 to 0.20.19: `handleNewContent`). The node remembers the value's id from then
 *   on, about a kilobyte, so there is a limited number of them; and versions before 0.20 load it at each connection.
 */
export type MarkKind = "reconcile" | "content";

/** Begins the batch ids of our marks; those of clients are random (cojson's `createReconcileBatchID`). */
const BATCH_PREFIX = "sprite-sync-mark:";

/** Begins the ids of values that only marks name. That a header hashes to one of them is as likely as any collision. */
const ID_PREFIX = "co_zSpriteSyncMark1111111111";
const BASE58 = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

/** @param random 0 ≤ x < 1 */
export function newMark(kind: MarkKind, random: () => number): Mark {
  if (kind === "reconcile") {
    const answer = `${BATCH_PREFIX}${random().toString(36).slice(2)}`;
    return { kind, answer, message: JSON.stringify({ action: "reconcile", id: answer, values: [] }) };
  }
  const digit = () => BASE58[Math.floor(random() * BASE58.length)];
  const answer = `${ID_PREFIX}${digit()}${digit()}`;
  return { kind, answer, message: JSON.stringify({ action: "content", id: answer, priority: 0, new: {} }) };
}

/** The kind of mark that an answer is about: the batch of a `reconcile-ack`, or the id of a `known`. */
export function markKindOf(answer: string): MarkKind | undefined {
  if (answer.startsWith(BATCH_PREFIX)) return "reconcile";
  return isMarkId(answer) ? "content" : undefined;
}

/** Whether an id is that of a mark, and of no value. */
export function isMarkId(id: string): boolean {
  return id.startsWith(ID_PREFIX) && isCoValueId(id);
}
