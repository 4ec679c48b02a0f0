import { afterAll, beforeAll, describe, expect, onTestFinished, test, vi } from "vitest";
import { startClient } from "../support/client.ts";
import { brokenGroup, FLOODS } from "../support/floods.ts";
import { startSingle } from "../support/single-process.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire } from "../support/wire.ts";
import { watchWorkerdMemory } from "../support/workerd-process.ts";

const MB = 1024 * 1024;
/** What an isolate has on Cloudflare. */
const ISOLATE_MB = 128;
/** By how much workerd may grow: a full heap, and the largest frame in its buffers. */
const GROWTH_BYTES = 300 * MB;
/** An honest load during a flood. Without bounds it was 46 s, or the end of the isolate. */
const ANSWER_MS = 10_000;
/** What one session of an isolate may let wait, nearly; and how often that fits the isolate. */
const [RESERVED, SOCKETS] = [7.9 * MB, 9];

/** Somebody who owns a group, and a session that reads it. */
async function honestOnes(url: string) {
  const [owner, reader] = [await startClient(url), await openWire(url)];
  const group = owner.node.createGroup();
  group.addMember("everyone", "reader");
  const map = group.createMap({ n: 0 });
  await owner.synced();
  return {
    owner,
    /** The reader loads the value. */
    async load(): Promise<void> {
      reader.received.length = 0;
      const start = performance.now();
      reader.send({ action: "load", id: map.id, header: false, sessions: {} });
      await reader.next(({ action, id }) => action === "content" && id === map.id, "the reader's value");
      expect(performance.now() - start).toBeLessThan(ANSWER_MS);
    },
    /** The owner's next write is stored, and served to somebody who has nothing; no honest socket has closed. */
    async goOn(): Promise<void> {
      const n = Number(map.get("n")) + 1;
      map.set("n", n);
      await owner.synced();
      const fresh = await startClient(url);
      expect((await fresh.load(map.id)).get("n")).toBe(n);
      await fresh.close();
      expect([owner.closures(), reader.closed()]).toEqual([0, undefined]);
    },
    close: () => Promise.all([owner.close(), reader.close()]),
  };
}
type HonestOnes = Awaited<ReturnType<typeof honestOnes>>;

async function flood(url: string, frame: string, honest: HonestOnes): Promise<void> {
  const attacker = await openWire(url);
  attacker.sendRaw(frame);
  await honest.load();
  await until(() => attacker.received.length > 0 || attacker.closed(), {
    what: "an answer, or the end of the socket",
    timeoutMs: 30_000,
  });
  await honest.load();
  const answers = attacker.received.reduce((chars, message) => chars + JSON.stringify(message).length, 0);
  expect(answers).toBeLessThan(Math.max(10_000, 4 * frame.length));
  await honest.goOn();
  await attacker.close();
}

async function sendUnreadable(url: string): Promise<void> {
  const attacker = await openWire(url);
  for (let n = 0; n < 100; n++) attacker.sendRaw("{");
  await until(() => attacker.closed(), { what: "the end of the socket" });
  expect(attacker.received.filter(({ type }) => type === "error").length).toBeLessThan(20);
}

/** Nine sockets send content that nobody can place, and stay open. */
async function sendBroken(url: string, { owner }: HonestOnes): Promise<void> {
  const attackers = await Promise.all(Array.from({ length: SOCKETS }, () => openWire(url)));
  for (const attacker of attackers) {
    const { id, text } = await brokenGroup(RESERVED);
    attacker.sendRaw(text);
    const refusal = await attacker.next((message) => message.id === id, "the refusal");
    expect(refusal).toMatchObject({ type: "error", code: "bad-message" });
  }
  const large = owner.node.createGroup().createMap({ text: "x".repeat(60_000) });
  await owner.synced();
  expect((await owner.load(large.id)).get("text")).toHaveLength(60_000);
  await Promise.all(attackers.map((attacker) => attacker.close()));
}

describe("an edge whose heap is that of an isolate", () => {
  let stack: TestStack;
  let honest: HonestOnes;

  beforeAll(async () => {
    vi.stubEnv("MINIFLARE_WORKERD_V8_FLAGS", `--max-heap-size=${ISOLATE_MB}`);
    stack = await startTestStack({ sleepAfter: 0 });
    honest = await honestOnes(stack.syncUrl);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await honest?.close();
    await stack?.close();
  });

  test.each(Object.entries(FLOODS))("serves others beside %s", async (_, make) => {
    const memory = await watchWorkerdMemory();
    await flood(stack.syncUrl, make(), honest);
    expect(memory.stop()).toBeLessThan(GROWTH_BYTES);
  });

  test("ends a socket after a handful of messages that cannot be read", async () => {
    await sendUnreadable(stack.syncUrl);
    await honest.goOn();
  });

  test("refuses content that is no JSON, and keeps nothing of it: other clients' new values are stored", async () => {
    await sendBroken(stack.syncUrl, honest);
    await honest.goOn();
  });
});

test("one process for all groups serves others beside the same", async () => {
  const { url } = await startSingle();
  const honest = await honestOnes(url);
  onTestFinished(async () => void (await honest.close()));
  for (const make of Object.values(FLOODS)) await flood(url, make(), honest);
  await sendUnreadable(url);
  await sendBroken(url, honest);
  await honest.goOn();
});
