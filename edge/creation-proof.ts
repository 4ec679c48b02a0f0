import { blake3 } from "@noble/hashes/blake3.js";
import { base58 } from "@scure/base";
import { stableStringify } from "cojson/dist/jsonStringify.js";
import { LRUCache } from "lru-cache";
import { authorOf, isSignatureShape, signerOf } from "../shared/agent-keys.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import { type CoValueHeader, isAccountHeader } from "../shared/header.ts";
import { type CoValueId, isCoValueId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { ContentMessage } from "../shared/messages.ts";

/** What content says about the right of its value to a Sprite of its own. */
export type ProofVerdict =
  | { readonly kind: "proven" }
  /** The content that would prove it has not come yet. */
  | { readonly kind: "incomplete" }
  /** It is signed by an account whose header, which names its key, was not seen yet. */
  | { readonly kind: "needs-account"; readonly account: CoValueId }
  | { readonly kind: "wrong"; readonly error: SpriteSyncError };

/** What the intake asks before a value gets a home of its own; the simulation, whose values are not signed, has another. */
export interface CreationProofs {
  /** Takes in the header of an account. It has to hash to the id. */
  learn(content: ContentMessage): void;
  /** Whether `content` may bring the proof that content with `header` lacks. Cheap. */
  mayProve(header: CoValueHeader, content: ContentMessage): boolean;
  /** @param contents of one value, in the order they came; the header of one hashes to the id. */
  prove(contents: readonly ContentMessage[]): Promise<ProofVerdict>;
}

interface CoSessionPiece {
  readonly lastSignature: unknown;
  readonly newTransactions: readonly unknown[];
}

const PROVEN: ProofVerdict = { kind: "proven" };
const INCOMPLETE: ProofVerdict = { kind: "incomplete" };
const encoder = new TextEncoder();

/**
 * Whether a value has the beginning of a coSession that its owner signed: of the `initialAdmin` for a group or an account,
 * of any author for a value without a group.
 *
 * cojson (0.20.19) signs a coSession by Ed25519 over the stable JSON of `hash_z` and the base58 of the blake3 of the
 * stable JSONs of all its transactions, one behind the other. The signer stands in the agent; that of an account is in the
 * account's header, which proves itself by hashing to the account's id.
 *
 * 1. An account's agent is remembered only from a header that hashes to the account's id, so it never changes.
 * 2. At most one signature is verified for each call.
 */
export class SignedCreations implements CreationProofs {
  readonly #agents: LRUCache<CoValueId, string>;

  constructor(agents = new LRUCache<CoValueId, string>({ max: LIMITS.accountCacheEntries })) {
    this.#agents = agents;
  }

  learn({ id, header }: ContentMessage): void {
    if (!header || !isAccountHeader(header) || header.ruleset.type !== "group") return;
    const { initialAdmin } = header.ruleset;
    // Longer text is no agent, and would only take room.
    if (initialAdmin.length <= LIMITS.agentChars) this.#agents.set(id, initialAdmin);
  }

  mayProve(header: CoValueHeader, content: ContentMessage): boolean {
    return firstCoSession(header, content) !== undefined;
  }

  async prove(contents: readonly ContentMessage[]): Promise<ProofVerdict> {
    const header = contents.find((content) => content.header)?.header;
    if (!header) return INCOMPLETE;
    for (const content of contents) {
      const coSession = firstCoSession(header, content);
      if (coSession !== undefined) return this.#proveBy(content, coSession);
    }
    return INCOMPLETE;
  }

  async #proveBy(content: ContentMessage, coSession: string): Promise<ProofVerdict> {
    const author = authorOf(coSession);
    const agent = isCoValueId(author) ? this.#agents.get(author) : author;
    if (agent === undefined) return { kind: "needs-account", account: author as CoValueId };
    try {
      if (await isSignedBy(agent, content, coSession)) return PROVEN;
      return wrong("the signature of its first transactions is not that of its initial admin");
    } catch (error) {
      return wrong(
        error instanceof SpriteSyncError ? error.message : "its first transactions cannot be read",
      );
    }
  }
}

/** The proofs of all sessions of this isolate: what accounts sign with is the same for all. */
export const isolateProofs = new SignedCreations();

/** A coSession of whoever may sign a value's creation that `content` has from its beginning. */
function firstCoSession(header: CoValueHeader, content: ContentMessage): string | undefined {
  const owners = ownersOf(header, content.id);
  for (const [coSession, start] of Object.entries(content.starts)) {
    const isSigned = start === 0 && (content.reaches[coSession] ?? 0) > 0;
    if (isSigned && (!owners || owners.includes(authorOf(coSession)))) return coSession;
  }
  return undefined;
}

/** @returns `undefined` where anybody may write. An account writes itself with the agent that its header names. */
function ownersOf(header: CoValueHeader, id: CoValueId): readonly string[] | undefined {
  const { ruleset } = header;
  if (ruleset.type !== "group") return undefined;
  return isAccountHeader(header) ? [ruleset.initialAdmin, id] : [ruleset.initialAdmin];
}

async function isSignedBy(agent: string, content: ContentMessage, coSession: string): Promise<boolean> {
  if (content.text.length > LIMITS.proofChars) {
    const text = `its first content has more than ${LIMITS.proofChars} characters: send a smaller one first`;
    throw new SpriteSyncError("unproven", text);
  }
  const signer = signerOf(agent, "the initial admin");
  const { lastSignature, newTransactions } = pieceOf(content, coSession);
  if (!isSignatureShape(lastSignature)) return false;
  const signature = base58.decode(lastSignature.slice("signature_z".length));
  const hash = blake3.create();
  for (const transaction of newTransactions) hash.update(encoder.encode(stableStringify(transaction)));
  const signed = encoder.encode(JSON.stringify(`hash_z${base58.encode(hash.digest())}`));
  const raw = Uint8Array.from(base58.decode(signer.slice("signer_z".length)));
  const key = await crypto.subtle.importKey("raw", raw, "Ed25519", false, ["verify"]);
  return crypto.subtle.verify("Ed25519", key, Uint8Array.from(signature), signed);
}

function pieceOf({ text }: ContentMessage, coSession: string): CoSessionPiece {
  // The message was read before: it is JSON, and each coSession in it has transactions.
  const parsed = JSON.parse(text) as { readonly new: Record<string, CoSessionPiece> };
  const piece = parsed.new[coSession];
  if (!piece) throw new SpriteSyncError("unproven", "its first transactions are missing");
  return piece;
}

function wrong(reason: string): ProofVerdict {
  const text = `the new value gets no Sprite: ${reason}`;
  return { kind: "wrong", error: new SpriteSyncError("unproven", text) };
}
