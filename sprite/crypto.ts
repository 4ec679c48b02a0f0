import type { CryptoProvider } from "cojson";
import { isKeySecret, isSealer } from "../shared/agent-keys.ts";
import { KeyCheck } from "./key-check.ts";
import { withAtomicSessionMaps } from "./session-map.ts";

/** cojson's crypto as a Sprite uses it. */
export interface SpriteCrypto {
  /** Takes only keys that are some, whatever it is given. */
  readonly provider: CryptoProvider;
  /** Says so before, and what is wrong. */
  readonly keys: KeyCheck;
}

/**
 * cojson's native crypto, or its WebAssembly where the platform has no native build. Native starts about 45 ms sooner
 * (facts/storage §2.3), and `createSync` spares the fetch of a data: URL.
 */
export async function openCrypto(): Promise<SpriteCrypto> {
  return fenced(await openPlainCrypto());
}

/** The same crypto, changed so that it takes only keys that are some. */
export function fenced(plain: CryptoProvider): SpriteCrypto {
  const keys = new KeyCheck(plain);
  return { provider: withAtomicSessionMaps(withCheckedSecrets(plain), keys), keys };
}

async function openPlainCrypto(): Promise<CryptoProvider> {
  try {
    const { NapiCrypto } = await import("cojson/crypto/NapiCrypto");
    return await NapiCrypto.create();
  } catch {
    // No native build for this platform: npm installs those as optional dependencies.
    const { WasmCrypto } = await import("cojson/crypto/WasmCrypto");
    return WasmCrypto.createSync();
  }
}

/**
 * Fences what a node calls when it reads an account or a group, as it does to see who may delete a CoValue. Read keys and
 * sealers are then what a member wrote: of any type and length, and native code decodes base58 in time that grows with the
 * square of its length. Changes `crypto`.
 */
function withCheckedSecrets(crypto: CryptoProvider): CryptoProvider {
  const decryptRaw: CryptoProvider["decryptRaw"] = crypto.decryptRaw.bind(crypto);
  const unseal: CryptoProvider["unseal"] = crypto.unseal.bind(crypto);
  const fenced: Pick<CryptoProvider, "decryptRaw" | "unseal"> = {
    decryptRaw: (encrypted, keySecret, nonceMaterial) => {
      if (!isKeySecret(keySecret)) throw new Error("the read key is not a key");
      return decryptRaw(encrypted, keySecret, nonceMaterial);
    },
    unseal: (sealed, secret, from, nonceMaterial) =>
      isSealer(from) ? unseal(sealed, secret, from, nonceMaterial) : undefined,
  };
  return Object.assign(crypto, fenced);
}
