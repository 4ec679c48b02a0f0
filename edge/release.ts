import { SpriteSyncError } from "../shared/errors.ts";

/** The last release that was read, for the whole isolate: some megabytes that every new Sprite needs. */
let kept: { readonly address: string; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;

/** How long a download may take, milliseconds. */
const DOWNLOAD_MS = 30_000;

/**
 * Gets the server's release: from an address, or, when it begins with `/`, from the Worker's own assets, which are
 * deployed together with the edge. A release's address names its checksum, so that what was read once is good for ever;
 * whoever uses it checks it.
 *
 * @throws SpriteSyncError `config-invalid` when there is no such file, `transient` without an answer.
 */
export async function readRelease(address: string, env: object): Promise<Uint8Array<ArrayBuffer>> {
  if (kept?.address === address) return kept.bytes;
  const response = await request(address, env);
  if (!response.ok) {
    const code = response.status >= 500 ? "transient" : "config-invalid";
    throw new SpriteSyncError(code, `SPRITE_RELEASE: ${address} was answered ${response.status}`);
  }
  const bytes = new Uint8Array(await response.arrayBuffer());
  kept = { address, bytes };
  return bytes;
}

async function request(address: string, env: object): Promise<Response> {
  const init = { signal: AbortSignal.timeout(DOWNLOAD_MS) };
  if (!address.startsWith("/")) return await fetch(address, init);
  const { ASSETS } = env as { ASSETS?: Fetcher };
  if (!ASSETS)
    throw new SpriteSyncError("config-invalid", "SPRITE_RELEASE is a path, but the edge has no assets");
  return ASSETS.fetch(new URL(address, "https://assets").href, init);
}
