import { createRequire } from "node:module";
import type { Kind } from "./arguments.ts";

type Table = Readonly<Record<string, readonly Kind[]>>;

/** cojson's native addon. It comes with cojson, which is asked where. */
export function loadAddon(): Record<string, unknown> {
  return createRequire(import.meta.resolve("cojson/crypto/NapiCrypto"))("cojson-core-napi");
}

/** Every function that the addon exports, and what it takes. */
export const FUNCTIONS = {
  blake3HashOnce: ["bytes"],
  blake3HashOnceWithContext: ["bytes", "bytes"],
  decrypt: ["bytes", "keySecret", "bytes"],
  decryptXsalsa20: ["bytes32", "bytes", "bytes"],
  ed25519Sign: ["bytes32", "bytes"],
  ed25519SignatureFromBytes: ["bytes64"],
  ed25519SigningKeyFromBytes: ["bytes32"],
  ed25519SigningKeySign: ["bytes32", "bytes"],
  ed25519SigningKeyToPublic: ["bytes32"],
  ed25519Verify: ["bytes32", "bytes", "bytes64"],
  ed25519VerifyingKey: ["bytes32"],
  ed25519VerifyingKeyFromBytes: ["bytes32"],
  encrypt: ["bytes", "keySecret", "bytes"],
  encryptXsalsa20: ["bytes32", "bytes", "bytes"],
  generateNonce: ["bytes"],
  getSealerId: ["sealerSecretText"],
  getSignerId: ["signerSecretText"],
  newEd25519SigningKey: [],
  newX25519PrivateKey: [],
  seal: ["bytes", "sealerSecret", "sealer", "bytes"],
  sealForGroup: ["bytes", "sealer", "bytes"],
  shortHash: ["header"],
  sign: ["bytes", "signerSecretText"],
  unseal: ["bytes64", "sealerSecret", "sealer", "bytes"],
  unsealForGroup: ["bytes64", "sealerSecret", "bytes"],
  verify: ["signatureText", "bytes", "signerText"],
  x25519DiffieHellman: ["bytes32", "bytes32"],
  x25519PublicKey: ["bytes32"],
} as const satisfies Table;

/** The methods of its class `Blake3Hasher`, which is made of nothing. */
export const HASHER = { update: ["bytes"], finalize: [], clone: [] } as const satisfies Table;

/** What a session map is made of. */
export const SESSION_MAP: readonly Kind[] = ["coId", "header", "size", "no"];

/** The methods of a session map: the addon's class `SessionMap`, and cojson's around it. */
export const METHODS = {
  addTransactions: ["coSession", "signer", "transactions", "signature", "no"],
  decryptTransaction: ["coSession", "index", "keySecret"],
  decryptTransactionMeta: ["coSession", "index", "keySecret"],
  getHeader: [],
  getKnownState: [],
  getKnownStateWithStreaming: [],
  getLastSignature: ["coSession"],
  getLastSignatureCheckpoint: ["coSession"],
  getSessionIds: [],
  getSessionTransactions: ["coSession", "index"],
  getSignatureAfter: ["coSession", "index"],
  getTransaction: ["coSession", "index"],
  getTransactionCount: ["coSession"],
  isDeleted: [],
  isStreaming: [],
  makeNewPrivateTransaction: ["coSession", "signerSecret", "changes", "keyId", "keySecret", "meta", "time"],
  makeNewTrustingTransaction: ["coSession", "signerSecret", "changes", "meta", "time"],
  markAsDeleted: [],
  setStreamingKnownState: ["streaming"],
} as const satisfies Table;

/** What a node calls on its `CryptoProvider`, besides making session maps. */
export const PROVIDER = {
  decryptRaw: ["encrypted", "keySecret", "header"],
  getSealerID: ["sealerSecret"],
  groupSealerFromReadKey: ["keySecret"],
  shortHash: ["header"],
  unseal: ["sealed", "sealerSecret", "sealer", "header"],
  unsealForGroup: ["sealed", "sealerSecret", "header"],
  verify: ["signature", "header", "signer"],
} as const satisfies Table;
