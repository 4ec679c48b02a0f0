import type { SyncMessage } from "cojson";
import { isSignatureShape } from "../shared/agent-keys.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import type { CoValueHeader } from "../shared/header.ts";
import { isCoValueId } from "../shared/ids.ts";
import type { Message } from "../shared/messages.ts";
import { parseRead } from "../shared/parse-json.ts";
import type { KeyCheck } from "./key-check.ts";

/**
 * A message as cojson's node takes it, every member that the node touches checked: cojson trusts its peers' shapes and
 * would throw, or store, what does not fit, and its crypto ends the process for a signer that is no key. Call it on what
 * `parseMessage` accepted, which has checked the envelope.
 * @throws SpriteSyncError `bad-message`, naming the member; never quoting its value.
 */
export function readSyncMessage(message: Message, keys: KeyCheck): SyncMessage {
  const parsed = parsedText(message.text);
  if (message.action === "content") checkContent(parsed as ContentShape, keys);
  return parsed as SyncMessage;
}

function parsedText(text: string): unknown {
  try {
    return parseRead(text);
  } catch (error) {
    if (error instanceof SpriteSyncError) throw error;
    // Of a long message only the envelope has been read so far.
    throw new SpriteSyncError("bad-message", "a message is not JSON; send one JSON object per line");
  }
}

/** Whether a `load` asks for the re-attach answer: the durable state first (set by the edge, design §4.4). */
export function isReattach(message: SyncMessage): boolean {
  return message.action === "load" && "reattach" in message && message.reattach === true;
}

/** What `parseMessage` has made sure of. */
interface ContentShape {
  priority?: unknown;
  header?: CoValueHeader | null;
  new: Record<string, { lastSignature?: unknown; newTransactions: unknown[] }>;
}

function checkContent({ priority, header, new: coSessions }: ContentShape, keys: KeyCheck): void {
  if (typeof priority !== "number") throw bad("priority", "a number");
  // A branch: the node would wait for ever for a source that cannot exist.
  const source = header?.meta?.source;
  if (source !== undefined && source !== null && !isCoValueId(source))
    throw bad("meta.source", "a CoValue id");
  if (header) keys.checkHeader(header);
  for (const [coSession, { lastSignature, newTransactions }] of Object.entries(coSessions)) {
    keys.checkCoSession(coSession);
    // cojson sends no coSession without transactions, so there is always a signature to check.
    if (!isSignatureShape(lastSignature)) throw bad("lastSignature", "a signature (signature_z…)");
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
