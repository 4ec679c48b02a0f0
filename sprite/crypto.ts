import type { CryptoProvider } from "cojson";
import { withAtomicSessionMaps } from "./session-map.ts";

/**
 * cojson's native crypto, or its WebAssembly where the platform has no native build. Native starts about 45 ms sooner
 * (facts/storage §2.3), and `createSync` spares the fetch of a data: URL.
 */
export async function openCrypto(): Promise<CryptoProvider> {
  return withAtomicSessionMaps(await openPlainCrypto());
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
