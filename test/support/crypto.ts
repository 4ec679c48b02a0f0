import { WasmCrypto } from "cojson/crypto/WasmCrypto";

/**
 * One crypto for all nodes of this process. A second `WasmCrypto.create()` instantiates cojson's WebAssembly anew under
 * the nodes that use the first, which then fail with "memory access out of bounds" (cojson 0.20.19).
 */
export const crypto = await WasmCrypto.create();
