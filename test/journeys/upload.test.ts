import type { RawBinaryCoStream, RawGroup } from "cojson";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { asHome, type CoValueId } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { type Client, startClient } from "../support/client.ts";
import { startPlainServer } from "../support/plain-server.ts";
import { CREATE_CALL, startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

/** A file of 10 MB: 17.8 MB as cojson sends it. */
const CHUNKS = 100;
const CHUNK = new Uint8Array(100_000).map((_, index) => (index * 7919) % 251);

/** What an isolate has on Cloudflare. */
const ISOLATE_MB = 128;

interface Upload {
  readonly client: Client;
  readonly group: RawGroup;
  readonly file: RawBinaryCoStream;
}

/** A person who makes a file while offline. */
async function offlineUpload(syncUrl: string): Promise<Upload> {
  const client = await startClient(syncUrl, { offline: true });
  const group = client.node.createGroup();
  return { client, group, file: writeFile(group) };
}

function writeFile(group: RawGroup): RawBinaryCoStream {
  const file = group.createBinaryStream();
  file.startBinaryStream({
    mimeType: "application/octet-stream",
    totalSizeBytes: CHUNKS * CHUNK.length,
    fileName: "film",
  });
  for (let n = 0; n < CHUNKS; n++) file.pushBinaryStreamChunk(CHUNK);
  file.endBinaryStream();
  return file;
}

/** How many of the file's transactions the server has acknowledged. */
function acknowledged({ client, file }: Upload): number {
  const [peer] = Object.values(client.node.syncManager.peers);
  const known = peer?.getKnownState(file.id)?.sessions ?? {};
  return Object.values(known).reduce((sum, count) => sum + count, 0);
}

function mostCorrections(client: Client): number {
  return Math.max(0, ...client.traffic.corrections.values());
}

describe("a file of 10 MB that is uploaded in one go", () => {
  let stack: TestStack;
  let plainBytes = 0;
  const clients: Client[] = [];

  async function upload(): Promise<Upload> {
    const made = await offlineUpload(stack.syncUrl);
    clients.push(made.client);
    return made;
  }

  /** It is stored, and its owner sent it about once. */
  async function isAcknowledged({ client }: Upload, corrections: number): Promise<void> {
    await client.node.syncManager.waitForAllCoValuesSync(80_000);
    expect(client.traffic.sentBytes).toBeLessThan(1.1 * plainBytes);
    expect(mostCorrections(client)).toBeLessThanOrEqual(corrections);
    expect(client.closures()).toBe(0);
  }

  /** Another client reads it as well. */
  async function isStored(made: Upload, corrections: number): Promise<void> {
    await isAcknowledged(made, corrections);
    const { client, file, group } = made;
    group.addMember("everyone", "reader");
    await client.synced();
    const reader = await startClient(stack.syncUrl);
    clients.push(reader);
    const copy = await reader.load<RawBinaryCoStream>(file.id);
    const whole = await until(() => copy.getBinaryChunks(), { what: "all chunks", timeoutMs: 60_000 });
    expect(whole.chunks.reduce((sum, part) => sum + part.length, 0)).toBe(CHUNKS * CHUNK.length);
    expect(whole.chunks.at(-1)).toEqual(CHUNK);
  }

  beforeAll(async () => {
    const plain = await startPlainServer({ storage: "memory" });
    const { client } = await offlineUpload(plain.url);
    client.connect();
    await client.node.syncManager.waitForAllCoValuesSync(60_000);
    plainBytes = client.traffic.sentBytes;
    expect(mostCorrections(client)).toBe(0);
    await client.close();
    await plain.close();
    vi.stubEnv("MINIFLARE_WORKERD_V8_FLAGS", `--max-heap-size=${ISOLATE_MB}`);
    stack = await startTestStack();
  });
  afterEach(async () => {
    stack.fleet.faults.clear();
    await Promise.all(clients.splice(0).map((client) => client.close()));
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await stack?.close();
  });

  test("is sent once while its Sprite is created", async () => {
    const made = await upload();
    made.client.connect();
    await isStored(made, 0);
  });

  test("is sent once while its Sprite is created slowly", async () => {
    const made = await upload();
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    const name = spriteNameOf(asHome(made.group.id as string as CoValueId));
    const creating = stack.fleet.faults.api(
      CREATE_CALL,
      { kind: "hold", until: held },
      { when: ({ body }) => (body as { name?: string }).name === name },
    );
    made.client.connect();
    // All of it has left the client before its Sprite is there.
    await until(() => creating.hits > 0 && made.client.traffic.sentBytes > 0.99 * plainBytes, {
      what: "the whole file to be on its way",
      timeoutMs: 30_000,
    });
    expect(acknowledged(made)).toBe(0);
    release();
    await isStored(made, 0);
  });

  test("is sent once into a group whose Sprite is woken for it", async () => {
    const client = await startClient(stack.syncUrl);
    clients.push(client);
    const group = client.node.createGroup();
    group.createMap({ n: 0 });
    await client.synced();
    client.disconnect();
    const file = writeFile(group);
    stack.fleet.kill(stack.machineOf(group.id).id, "SIGTERM");
    await stack.asleep(group.id);
    client.connect();
    const before = client.traffic.sentBytes;
    await client.node.syncManager.waitForAllCoValuesSync(80_000);
    expect(client.traffic.sentBytes - before).toBeLessThan(1.1 * plainBytes);
    await isStored({ client, group, file }, 0);
  });

  test("is sent once when its Sprite crashes twice meanwhile", async () => {
    const made = await upload();
    made.client.connect();
    for (const part of [0.2, 0.6]) {
      await until(() => acknowledged(made) > part * CHUNKS, {
        what: `${part} of the file to be stored`,
        timeoutMs: 60_000,
      });
      expect(acknowledged(made)).toBeLessThan(CHUNKS);
      stack.fleet.kill(stack.machineOf(made.group.id).id, "SIGKILL");
    }
    await isStored(made, 2);
  });

  test("is sent once by each of three people at the same time, though all of it waits in one isolate", async () => {
    const all = await Promise.all([upload(), upload(), upload()]);
    const { promise: held, resolve: release } = Promise.withResolvers<void>();
    stack.fleet.faults.api(CREATE_CALL, { kind: "hold", until: held });
    for (const { client } of all) client.connect();
    await until(() => all.every(({ client }) => client.traffic.sentBytes > 0.99 * plainBytes), {
      what: "three files to be on their way",
      timeoutMs: 60_000,
    });
    release();
    for (const made of all) await isAcknowledged(made, 0);
  }, 240_000);
});
