import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { LIMITS } from "../../shared/limits.ts";
import { type Client, startClient } from "../support/client.ts";
import { contentOf } from "../support/real-values.ts";
import { openSlowReader } from "../support/slow-reader.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";
import { watchWorkerdMemory } from "../support/workerd-process.ts";

const MB = 1024 * 1024;
const PART = "x".repeat(100_000);
/** What an isolate has on Cloudflare. V8 fills it with garbage before it collects, and ends the process past it. */
const ISOLATE_MB = 128;
const FLOOD_BYTES = 300 * MB;
/** By how much workerd may grow under a flood: a full heap. What waits in sockets lies outside of it, and comes on top. */
const GROWTH_BYTES = 150 * MB;

describe("a side that does not read, in front of a flood", () => {
  let stack: TestStack;
  let writer: Client;
  let reader: Client;
  let other: Client;

  beforeAll(async () => {
    vi.stubEnv("MINIFLARE_WORKERD_V8_FLAGS", `--max-heap-size=${ISOLATE_MB}`);
    stack = await startTestStack({ sleepAfter: 0 });
    [writer, reader, other] = await Promise.all([
      startClient(stack.syncUrl),
      startClient(stack.syncUrl),
      startClient(stack.syncUrl),
    ]);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await Promise.all([writer?.close(), reader?.close(), other?.close()]);
    await stack?.close();
  });

  async function newMap(text: string, by = writer) {
    const group = by.node.createGroup();
    group.addMember("everyone", "writer");
    const map = group.createMap({ text });
    await by.synced();
    return map;
  }

  /** In another group, by other clients. */
  async function othersGoOn(text: string): Promise<void> {
    const map = await newMap(text, other);
    expect((await reader.load(map.id)).get("text")).toBe(text);
  }

  test.each(["reconcile", "content"] as const)(
    "a browser that answers %s marks: little is sent to it and kept for it, others go on, and it gets all of it once it reads",
    async (marks) => {
      const parts = 40;
      const loads = FLOOD_BYTES / (parts * PART.length);
      const map = await newMap("flood");
      // Of one value it would be sent no more than it lacks, however often it asks: here 12 MB.
      const maps = [map, await newMap("second"), await newMap("third")];
      for (const each of maps) {
        for (let n = 0; n < parts; n++) {
          each.set(`part ${n}`, PART, "trusting");
          if (n % 20 === 19) await writer.synced();
        }
      }
      const slow = await openSlowReader(stack.syncUrl, marks);
      slow.load(map.id);
      await until(() => slow.transactions() === 1 + parts, { what: "the value", timeoutMs: 60_000 });
      const before = slow.contentChars();
      const memory = await watchWorkerdMemory();
      const logged = stack.lines.length;
      slow.pause();
      for (let n = 0; n < loads; n++) slow.load(maps[n % maps.length]?.id ?? map.id);
      slow.load(map.id);
      await until(() => stack.lines.slice(logged).some((line) => line.includes("reads more slowly")), {
        what: "the edge holding the browser's Sprites",
        timeoutMs: 60_000,
      });
      for (let n = 0; n < 20; n++) map.set(`news ${n}`, PART, "trusting");
      await writer.synced();
      const copy = await reader.load(map.id);
      await until(() => copy.get("news 19") === PART, { what: "the news at a client that reads" });
      await othersGoOn("while a browser does not read");
      expect(memory.stop()).toBeLessThan(GROWTH_BYTES);

      const resumedAt = Date.now();
      slow.resume();
      await until(() => slow.pingedAt() > resumedAt, { what: "all that was sent so far", timeoutMs: 60_000 });
      const sent = slow.contentChars() - before;
      expect(sent).toBeGreaterThan(LIMITS.clientUnreadBytes / 2);
      expect(sent).toBeLessThan(LIMITS.clientUnreadBytes + 2 * MB);
      expect(slow.transactions()).toBe(1 + parts);

      slow.answerMarks();
      await until(() => slow.transactions() === 1 + parts + 20, { what: "the news", timeoutMs: 60_000 });
      expect([slow.closed(), writer.closures(), reader.closures(), other.closures()]).toEqual([
        false,
        0,
        0,
        0,
      ]);
      slow.close();
    },
    120_000,
  );

  test("a Sprite: little is sent to it and kept for it, others go on, and all of it is stored once it reads", async () => {
    const frames = FLOOD_BYTES / PART.length;
    const map = await newMap("flood");
    map.set("part", PART, "trusting");
    await writer.synced();
    const again = contentOf(map).join("\n");
    const flooding = await openWire(stack.syncUrl);
    const answers = () =>
      flooding.received.filter(({ action, id }) => action === "known" && id === map.id).length;
    flooding.sendRaw(again);
    await until(() => answers() === 1, { what: "the Sprite's answer" });
    const { id } = stack.machineOf(map.group.id);
    const memory = await watchWorkerdMemory();
    stack.fleet.kill(id, "SIGSTOP");
    for (let n = 0; n < 10; n++) map.set(`news ${n}`, n, "trusting");
    for (let n = 0; n < frames; n++) flooding.sendRaw(again);
    await flooding.drained();
    await othersGoOn("while a Sprite does not read");
    expect(memory.stop()).toBeLessThan(GROWTH_BYTES);

    stack.fleet.kill(id, "SIGCONT");
    await writer.synced();
    const copy = await reader.load(map.id);
    expect(copy.get("news 9")).toBe(9);
    // Each content that came to the Sprite is answered.
    expect(answers() * PART.length).toBeLessThan(
      LIMITS.spriteUnreadBytes + LIMITS.upstreamQueueBytes + 2 * MB,
    );
    expect([flooding.closed(), writer.closures(), reader.closures(), other.closures()]).toEqual([
      undefined,
      0,
      0,
      0,
    ]);
    await flooding.close();
  }, 120_000);
});
