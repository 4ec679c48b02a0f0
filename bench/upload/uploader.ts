import type { RawBinaryCoStream, RawGroup } from "cojson";
import { type Client, startClient } from "../../test/support/client.ts";
import type { Sample } from "../interleave.ts";

/** A file of 10 MB, as jazz-tools cuts it. */
export const FILE_BYTES = 10_000_000;
const CHUNK = new Uint8Array(100_000).map((_, index) => (index * 7919) % 251);

/** Where a file is uploaded to. */
export type Target = "new group" | "awake group" | "sleeping group";

/** A person who makes a file of 10 MB while offline, and then goes online. */
export class Uploader {
  readonly #client: Client;
  #group: RawGroup;

  private constructor(client: Client) {
    this.#client = client;
    this.#group = client.node.createGroup();
  }

  static async open(syncUrl: string): Promise<Uploader> {
    const uploader = new Uploader(await startClient(syncUrl));
    await uploader.#client.synced();
    return uploader;
  }

  /** The home of what is uploaded next, except into a new group. */
  get groupId(): string {
    return this.#group.id;
  }

  /** @param prepare is awaited while the client is offline, the file made and nothing sent of it. */
  async upload(target: Target, prepare?: () => Promise<void>): Promise<Sample> {
    const { node, traffic } = this.#client;
    this.#client.disconnect();
    if (target === "new group") this.#group = node.createGroup();
    const file = this.#writeFile();
    await prepare?.();
    const before = traffic.sentBytes;
    const begun = performance.now();
    this.#client.connect();
    await node.syncManager.waitForSync(file.id, 120_000);
    return { ms: performance.now() - begun, mb: (traffic.sentBytes - before) / 1_000_000 };
  }

  /** How often it was asked to send one value again, at most. */
  get corrections(): number {
    return Math.max(0, ...this.#client.traffic.corrections.values());
  }

  close(): Promise<void> {
    return this.#client.close();
  }

  #writeFile(): RawBinaryCoStream {
    const file = this.#group.createBinaryStream();
    file.startBinaryStream({
      mimeType: "application/octet-stream",
      fileName: "film",
      totalSizeBytes: FILE_BYTES,
    });
    for (let bytes = 0; bytes < FILE_BYTES; bytes += CHUNK.length) file.pushBinaryStreamChunk(CHUNK);
    file.endBinaryStream();
    return file;
  }
}
