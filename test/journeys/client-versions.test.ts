import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { OpenOptions, StoredFile } from "../clients/client.ts";
import { startPlainServer } from "../support/plain-server.ts";
import { startTestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { startVersionedClient, type VersionedClient } from "../support/versioned-client.ts";

/** All but the last answer no empty `reconcile`. The last is the version that the server is built with. */
const VERSIONS = ["0.16.7", "0.18.38", "0.19.22", "0.20.7", "0.20.19"] as const;
const PRESENT = "0.20.19";
/**
 * When cojson 0.20 connects anew in the middle of a value, it says that it has all that was announced of it, and no server
 * sends it the rest (0.20.7 and 0.20.19: `knownStateWithStreaming` in `sendLoadRequest`). A reload of the page brings it.
 */
const continues = (version: string) => !version.startsWith("0.20.");
/** 14 MB of file, 19 MB on the wire: more than a client may leave unread. */
const CHUNKS = 140;
const TIMEOUT_MS = 60_000;
/** Tells the same of a plain cojson server instead: `TEST_SERVER=plain`. */
const PLAIN = process.env.TEST_SERVER === "plain";

describe("clients of other versions than the server's", () => {
  let server: { readonly url: string; close(): Promise<void> };
  let directory: string;
  let present: VersionedClient;
  let file: StoredFile;
  const clients: VersionedClient[] = [];

  async function start(version: string, options: OpenOptions = {}): Promise<VersionedClient> {
    const client = await startVersionedClient(version, server.url, options);
    clients.push(client);
    return client;
  }

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "sprite-sync-clients-"));
    if (PLAIN) server = await startPlainServer({ storage: "memory" });
    else {
      const stack = await startTestStack();
      server = { url: stack.syncUrl, close: () => stack.close() };
    }
    present = await start(PRESENT);
    file = await present.createFile(CHUNKS);
  });
  afterAll(async () => {
    await Promise.all(clients.map((client) => client.close()));
    await server?.close();
    await rm(directory, { recursive: true, force: true });
  });

  /** An edit of one arrives at the other, in both directions. */
  async function editBothWays(one: VersionedClient, other: VersionedClient, map: string, value: string) {
    for (const [from, to, key] of [
      [one, other, "there"],
      [other, one, "back"],
    ] as const) {
      await from.set(map, key, value);
      await until(async () => (await to.get(map, key)) === value, {
        what: `${key}: ${value}`,
        timeoutMs: TIMEOUT_MS,
      });
    }
  }

  /** The whole file arrives, as it was. Its hash is asked for once: to take it is work for the client. */
  async function expectWhole(client: VersionedClient, { id, transactions, hash }: StoredFile): Promise<void> {
    await client.beginLoading(id);
    await until(async () => (await client.transactionsOf(id)) === transactions, {
      what: "the whole file",
      timeoutMs: TIMEOUT_MS,
    });
    expect(await client.hashOf(id)).toBe(hash);
  }

  async function expectNoTrouble(client: VersionedClient, connections: number): Promise<void> {
    expect(await client.closeCodes()).toEqual([]);
    const warnings = await client.warnings();
    const strange = warnings.filter((line) => /invalid|undefined id|rror/.test(line));
    expect(strange.length, strange.join("\n")).toBeLessThanOrEqual(connections);
  }

  describe.each(VERSIONS)("cojson %s", (version) => {
    test("shares a map with the present version and edits it from both sides while a 14 MB file loads", async () => {
      const client = await start(version);
      const { map } = await client.createMap("hello");
      expect(await present.get(map, "text")).toBe("hello");
      await editBothWays(client, present, map, "before");
      await client.beginLoading(file.id);
      await until(async () => (await client.transactionsOf(file.id)) > CHUNKS / 10, {
        what: "the file's beginning",
      });
      for (let n = 0; n < 3; n++) await editBothWays(client, present, map, `meanwhile ${n}`);
      await expectWhole(client, file);
      await editBothWays(client, present, map, "after");
      await expectNoTrouble(client, 1);
    });

    test(`loses its connection in mid-file, and gets the rest ${continues(version) ? "on the next one" : "after a reload"}`, async () => {
      const storage = join(directory, `${version}.sqlite`);
      const client = await start(version, { storage });
      await client.beginLoading(file.id);
      expect(await client.disconnectAt(file.id, CHUNKS / 3)).toBeLessThan(CHUNKS);
      if (continues(version)) {
        await client.connect();
        await expectWhole(client, file);
        await expectNoTrouble(client, 2);
      } else {
        await client.close();
        const reloaded = await start(version, { storage, account: client.account });
        await expectWhole(reloaded, file);
        await expectNoTrouble(reloaded, 1);
      }
    });

    test("sends a file and a map, and a second client and the present version get them", async () => {
      const [first, second] = [await start(version), await start(version)];
      const own = await first.createFile(CHUNKS / 5);
      await Promise.all([expectWhole(second, own), expectWhole(present, own)]);
      const { map } = await first.createMap("hello");
      await editBothWays(first, second, map, "to another of the same version");
      await Promise.all([expectNoTrouble(first, 1), expectNoTrouble(second, 1)]);
    });
  });
});
