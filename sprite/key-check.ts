import { base58 } from "@scure/base";
import type { CryptoProvider } from "cojson";
import { LRUCache } from "lru-cache";
import { authorOf, isSignerShape, signerOf } from "../shared/agent-keys.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import type { CoValueHeader } from "../shared/header.ts";
import { isAccountHeader } from "../shared/header.ts";
import { isCoValueId } from "../shared/ids.ts";

/** Keys remembered, agents and signers together: about 200 B each. Losing one costs some 80 µs the next time. */
const REMEMBERED = 10_000;
/** Of the right length, and nobody's: what matters is whether the signer can be read. */
const NO_SIGNATURE = `signature_z${base58.encode(new Uint8Array(64))}` as const;

/**
 * Which keys may reach cojson's session maps. cojson-core 0.20.19 panics for a signer that it cannot decode
 * (`SessionLogInternal::new`, "Invalid public key"): natively that aborts the process, in WebAssembly the panic comes back
 * as an uncaught exception. Its `verify` decodes the same signer with the same library and throws, so that is asked first.
 *
 * 1. A signer passes only if `verify` could read it.
 * 2. What is remembered is bounded, and its keys are at most 105 characters long.
 */
export class KeyCheck {
  readonly #crypto: Pick<CryptoProvider, "verify">;
  readonly #agents = new LRUCache<string, true>(bounded());
  readonly #signers = new LRUCache<string, boolean>(bounded());

  constructor(crypto: Pick<CryptoProvider, "verify">) {
    this.#crypto = crypto;
  }

  /** Whether `signer` is an Ed25519 key. */
  isSigner(signer: string): boolean {
    const known = this.#signers.get(signer);
    if (known !== undefined) return known;
    if (!isSignerShape(signer)) return false;
    const isKey = this.#isReadable(signer);
    this.#signers.set(signer, isKey);
    return isKey;
  }

  /** @throws SpriteSyncError `bad-message` when an agent writes this coSession and its keys are none. */
  checkCoSession(coSession: string): void {
    const author = authorOf(coSession);
    if (!isCoValueId(author)) this.#checkAgent(author, "the session id");
  }

  /** @throws SpriteSyncError `bad-message` when `initialAdmin` must be, or seems to be, an agent, and its keys are none. */
  checkHeader(header: CoValueHeader): void {
    const { ruleset } = header;
    if (ruleset.type !== "group") return;
    // An account's is the agent whose signer verifies all that the account writes; a group's may be an account.
    if (isAccountHeader(header) || !isCoValueId(ruleset.initialAdmin)) {
      this.#checkAgent(ruleset.initialAdmin, "`initialAdmin` of the header");
    }
  }

  #checkAgent(agent: string, where: string): void {
    if (this.#agents.has(agent)) return;
    if (!this.isSigner(signerOf(agent, where))) {
      const reason = `the signer in ${where} is not a key: its bytes are no Ed25519 point`;
      throw new SpriteSyncError("bad-message", reason);
    }
    this.#agents.set(agent, true);
  }

  #isReadable(signer: `signer_z${string}`): boolean {
    try {
      this.#crypto.verify(NO_SIGNATURE, null, signer);
      return true;
    } catch {
      return false;
    }
  }
}

function bounded() {
  // Not `max`, which would allocate all of it at every start.
  return { maxSize: REMEMBERED, sizeCalculation: () => 1 };
}
