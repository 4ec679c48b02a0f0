import type { SyncMessage } from "cojson";
import { SpriteSyncError } from "../shared/errors.ts";
import { isCoValueId } from "../shared/ids.ts";
import type { Message } from "../shared/messages.ts";

/**
 * A message as cojson's node takes it, every member that the node touches checked: cojson trusts its peers' shapes and
 * would throw, or store, what does not fit. Call it on what `parseMessage` accepted, which has checked the envelope.
 * @throws SpriteSyncError `bad-message`, naming the member; never quoting its value.
 */
export function readSyncMessage(message: Message): SyncMessage {
  const parsed: unknown = JSON.parse(message.text);
  if (message.action === "content") checkContent(parsed as ContentShape);
  return parsed as SyncMessage;
}

/** Whether a `load` asks for the re-attach answer: the durable state first (set by the edge, design §4.4). */
export function isReattach(message: SyncMessage): boolean {
  return message.action === "load" && "reattach" in message && message.reattach === true;
}

/** What `parseMessage` has made sure of. */
interface ContentShape {
  priority?: unknown;
  header?: { meta?: Record<string, unknown> | null } | null;
  new: Record<string, { lastSignature?: unknown; newTransactions: unknown[] }>;
}

const SIGNATURE = /^signature_z[1-9A-HJ-NP-Za-km-z]{1,100}$/;

function checkContent({ priority, header, new: coSessions }: ContentShape): void {
  if (typeof priority !== "number") throw bad("priority", "a number");
  // A branch: the node would wait for ever for a source that cannot exist.
  const source = header?.meta?.source;
  if (source !== undefined && source !== null && !isCoValueId(source))
    throw bad("meta.source", "a CoValue id");
  for (const { lastSignature, newTransactions } of Object.values(coSessions)) {
    // cojson sends no coSession without transactions, so there is always a signature to check.
    if (typeof lastSignature !== "string" || !SIGNATURE.test(lastSignature)) {
      throw bad("lastSignature", "a signature (signature_z…)");
    }
    for (const transaction of newTransactions) checkTransaction(transaction);
  }
}

function checkTransaction(transaction: unknown): void {
  if (typeof transaction !== "object" || transaction === null || Array.isArray(transaction)) {
    throw bad("newTransactions", "objects");
  }
  const { privacy, changes, encryptedChanges, keyUsed, madeAt, meta } = transaction as Record<
    string,
    unknown
  >;
  if (privacy === "private") {
    if (typeof encryptedChanges !== "string") throw bad("encryptedChanges", "text");
    if (typeof keyUsed !== "string") throw bad("keyUsed", "text");
  } else if (privacy === "trusting") {
    if (typeof changes !== "string") throw bad("changes", "text");
  } else {
    throw bad("privacy", "`private` or `trusting`");
  }
  if (typeof madeAt !== "number") throw bad("madeAt", "a number");
  if (meta !== undefined && meta !== null && typeof meta !== "string") throw bad("meta", "text");
}

function bad(member: string, expected: string): SpriteSyncError {
  return new SpriteSyncError("bad-message", `\`${member}\` of a content message must hold ${expected}`);
}
