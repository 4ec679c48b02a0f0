import { base58 } from "@scure/base";
import { SpriteSyncError } from "./errors.ts";

/**
 * The keys inside cojson's ids (0.20.19, `src/ids.ts` and `src/crypto/crypto.ts`). An agent is
 * `sealer_z<X25519 key>/signer_z<Ed25519 key>`, a coSession begins with the agent or account that writes it. cojson looks at
 * prefixes only and hands the rest to its crypto, which ends the process for a signer that is no key. What is read here is
 * prefix, alphabet and length; whether 32 bytes are an Ed25519 point is for the crypto to say.
 */
const KEY_BYTES = 32;
// The length comes first: decoding base58 takes time in proportion to its square. 32 zero bytes make 32 digits.
const KEY_DIGITS = /^[1-9A-HJ-NP-Za-km-z]{32,44}$/;
const SIGNATURE = /^signature_z[1-9A-HJ-NP-Za-km-z]{64,88}$/;

function isKey(text: unknown, prefix: string): text is string {
  if (typeof text !== "string" || !text.startsWith(prefix)) return false;
  const digits = text.slice(prefix.length);
  return KEY_DIGITS.test(digits) && base58.decode(digits).length === KEY_BYTES;
}

/** Whether `text` is `signer_z` and 32 bytes. They may still be no Ed25519 point. */
export function isSignerShape(text: unknown): text is `signer_z${string}` {
  return isKey(text, "signer_z");
}

/** Whether `text` is `sealer_z` and 32 bytes: any 32 bytes are an X25519 key. */
export function isSealer(text: unknown): text is `sealer_z${string}` {
  return isKey(text, "sealer_z");
}

/** Whether `text` is `keySecret_z` and 32 bytes: the secret of a group's read key. */
export function isKeySecret(text: unknown): text is `keySecret_z${string}` {
  return isKey(text, "keySecret_z");
}

/**
 * Whether `text` is `signature_z` and as much base58 as 64 bytes can make. It is not decoded: that takes a part of the time
 * that verifying it takes, and what has another length does not verify.
 */
export function isSignatureShape(text: unknown): text is `signature_z${string}` {
  return typeof text === "string" && SIGNATURE.test(text);
}

/** Who writes a coSession: an account's id or an agent's (cojson's `accountOrAgentIDfromSessionID`). */
export function authorOf(coSession: string): string {
  return coSession.slice(0, coSession.indexOf("_session"));
}

/**
 * The signer of an agent.
 * @param where what `agent` was found in, for the error.
 * @throws SpriteSyncError `bad-message` when the agent is not two keys; never quoting them.
 */
export function signerOf(agent: string, where: string): `signer_z${string}` {
  const slash = agent.indexOf("/");
  if (slash < 0 || !agent.startsWith("sealer_z")) {
    throw new SpriteSyncError("bad-message", `${where} names no agent (sealer_z…/signer_z…)`);
  }
  const sealer = agent.slice(0, slash);
  const signer = agent.slice(slash + 1);
  if (!isSealer(sealer)) throw notAKey("sealer", where);
  if (!isSignerShape(signer)) throw notAKey("signer", where);
  return signer;
}

function notAKey(kind: "sealer" | "signer", where: string): SpriteSyncError {
  const expected = `it must be ${kind}_z and the base58 of ${KEY_BYTES} bytes`;
  return new SpriteSyncError("bad-message", `the ${kind} in ${where} is not a key: ${expected}`);
}
