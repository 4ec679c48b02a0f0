import type { RawBinaryCoStream, RawCoMap } from "cojson";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { type Client, startClient } from "../support/client.ts";
import { type PlainServer, startPlainServer } from "../support/plain-server.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

/** The same on both: what a plain cojson server can do, the edge can. */
describe.each(["a plain cojson server", "the edge"] as const)("large and many values through %s", (which) => {
  let server: TestStack | PlainServer;
  let writer: Client;
  let reader: Client;
  const syncUrl = () => ("syncUrl" in server ? server.syncUrl : server.url);

  beforeAll(async () => {
    server = which === "the edge" ? await startTestStack() : await startPlainServer({ storage: "memory" });
    [writer, reader] = await Promise.all([startClient(syncUrl()), startClient(syncUrl())]);
  });
  afterAll(async () => {
    await Promise.all([writer?.close(), reader?.close()]);
    await server?.close();
  });

  function openGroup() {
    const group = writer.node.createGroup();
    group.addMember("everyone", "writer");
    return group;
  }

  test("a binary stream of 5 MB arrives whole", async () => {
    const stream = openGroup().createBinaryStream();
    const chunk = new Uint8Array(100_000).map((_, index) => index % 251);
    stream.startBinaryStream({ mimeType: "application/octet-stream", totalSizeBytes: 5_000_000 });
    for (let n = 0; n < 50; n++) stream.pushBinaryStreamChunk(chunk);
    stream.endBinaryStream();
    await writer.synced();
    const copy = await reader.load<RawBinaryCoStream>(stream.id);
    const whole = await until(() => copy.getBinaryChunks(), { what: "all chunks", timeoutMs: 20_000 });
    expect(whole.finished).toBe(true);
    expect(whole.chunks.reduce((sum, part) => sum + part.length, 0)).toBe(5_000_000);
    expect(whole.chunks[49]).toEqual(chunk);
  });

  test("a thousand small values of one group arrive", async () => {
    const group = openGroup();
    const maps = Array.from({ length: 1000 }, (_, n) => group.createMap({ n }));
    await writer.synced();
    const copies = await Promise.all(maps.map((map) => reader.load<RawCoMap>(map.id)));
    expect(copies.map((copy) => copy.get("n"))).toEqual(Array.from({ length: 1000 }, (_, n) => n));
  });

  test("thirty groups live on one socket", async () => {
    const maps = Array.from({ length: 30 }, (_, n) => openGroup().createMap({ n }));
    await writer.synced();
    const copies = await Promise.all(maps.map((map) => reader.load<RawCoMap>(map.id)));
    for (const [n, map] of maps.entries()) map.set("n", n + 100);
    await until(() => copies.every((copy, n) => copy.get("n") === n + 100), {
      what: "an update of each group",
      timeoutMs: 20_000,
    });
    expect([writer.closures(), reader.closures()]).toEqual([0, 0]);
  }, 90_000);
});
