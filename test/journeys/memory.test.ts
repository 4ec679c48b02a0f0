import { randomBytes } from "node:crypto";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { type CoValueId, idFromHash } from "../../shared/ids.ts";
import { type Client, startClient } from "../support/client.ts";
import { someWriter } from "../support/many-values.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire, type Wire } from "../support/wire.ts";

/** What an isolate has on Cloudflare; past it V8 ends the process, and with it all sessions of this test. */
const ISOLATE_MB = 128;
/** Generous: what an honest session waits for is a look-up, behind one message of 2 MB at the most. */
const LONGEST_MS = 15_000;

const someId = (): CoValueId => idFromHash(randomBytes(19));

describe("an isolate of 128 MB in which strangers want much to be remembered", () => {
  let stack: TestStack;
  let honest: Client;
  let asking: Wire;

  beforeAll(async () => {
    vi.stubEnv("MINIFLARE_WORKERD_V8_FLAGS", `--max-heap-size=${ISOLATE_MB}`);
    stack = await startTestStack();
    [honest, asking] = await Promise.all([startClient(stack.syncUrl), openWire(stack.syncUrl)]);
  });
  afterAll(async () => {
    vi.unstubAllEnvs();
    await asking?.close();
    await honest?.close();
    await stack?.close();
  });

  /** Asks for ids on the honest session, one after the other, until `work` is done. @returns the longest wait, ms. */
  async function longestWaitDuring(work: Promise<unknown>): Promise<number> {
    let isOver = false;
    const over = () => {
      isOver = true;
    };
    work.then(over, over);
    let longest = 0;
    while (!isOver) {
      const id = someId();
      const since = performance.now();
      asking.send({ action: "load", id, header: false, sessions: {} });
      await asking.next(
        ({ action, id: of }) => action === "known" && of === id,
        "the answer to an honest load",
      );
      longest = Math.max(longest, performance.now() - since);
    }
    await work;
    return longest;
  }

  /** The honest client's writes are stored and read by another, and its sockets were never closed. */
  async function honestIsWell(text: string): Promise<void> {
    const group = honest.node.createGroup();
    group.addMember("everyone", "reader");
    const map = group.createMap({ text });
    await honest.synced();
    const reader = await startClient(stack.syncUrl);
    expect((await reader.load(map.id)).get("text")).toBe(text);
    await reader.close();
    expect([honest.closures(), asking.closed()]).toEqual([0, undefined]);
  }

  /** Sends messages one by one, each once the one before has been handled, until all are sent or the socket is closed. */
  async function flood(messages: number, message: (n: number) => unknown): Promise<Wire> {
    const wire = await openWire(stack.syncUrl);
    for (let n = 0; n < messages && wire.closed() === undefined; n++) {
      wire.send(message(n));
      await wire.drained().catch((error: unknown) => {
        if (wire.closed() === undefined) throw error;
      });
    }
    return wire;
  }

  const refused = ({ received }: Wire) => received.filter(({ code }) => code === "overloaded");

  test("60 loads of unknown ids with 2 MB of invented coSessions each are refused, others are answered", async () => {
    const load = () => {
      const writer = someWriter();
      // Of digits that are in base58.
      const sessions = Object.fromEntries(
        Array.from({ length: 25_000 }, (_, n) => [`${writer}${String(n).replaceAll("0", "z")}`, n]),
      );
      return { action: "load", id: someId(), header: false, sessions };
    };
    const flooding = flood(60, load);
    const longest = await longestWaitDuring(flooding);
    console.log(`loads with invented coSessions: an honest load waited for ${longest.toFixed(0)} ms at most`);
    expect(longest).toBeLessThan(LONGEST_MS);
    await honestIsWell("while loads are refused");
    await (await flooding).close();
  }, 120_000);

  test("100 reconciliations of 10,000 unknown ids each are refused past a few, others are answered", async () => {
    const batch = (n: number) => ({
      action: "reconcile",
      id: `batch ${n}`,
      values: Array.from({ length: 10_000 }, () => [someId(), "x".repeat(75)]),
    });
    const flooding = flood(100, batch);
    const longest = await longestWaitDuring(flooding);
    console.log(`reconciliations: an honest load waited for ${longest.toFixed(0)} ms at most`);
    expect(longest).toBeLessThan(LONGEST_MS);
    const wire = await flooding;
    expect(refused(wire).length).toBeGreaterThan(80);
    await honestIsWell("while reconciliations are refused");
    await wire.close();
  }, 120_000);

  test("sockets that came first and took all there is end with 1013 when others find no room, and only those", async () => {
    const greedy = async () => {
      const writer = someWriter();
      let names = 0;
      return flood(14, () => {
        const sessions: Record<string, number> = {};
        // About a megabyte of the heap. Of digits that are in base58.
        for (let n = 0; n < 5_000; n++) sessions[`${writer}${String(names++).replaceAll("0", "z")}`] = 1;
        return { action: "load", id: someId(), header: false, sessions };
      });
    };
    const wires: Wire[] = [];
    const longest = await longestWaitDuring(
      (async () => {
        for (let n = 0; n < 8; n++) wires.push(await greedy());
        await until(() => wires.some((wire) => wire.closed() === 1013), { what: "the largest being closed" });
      })(),
    );
    console.log(`the first take all: an honest load waited for ${longest.toFixed(0)} ms at most`);
    expect(longest).toBeLessThan(LONGEST_MS);
    expect(wires.map((wire) => wire.closed()).filter((code) => code !== 1013 && code !== undefined)).toEqual(
      [],
    );
    await honestIsWell("beside those that took all");
    await Promise.all(wires.map((wire) => wire.close()));
  }, 120_000);

  test("12 sockets that want 10,000 unknown ids to be remembered share what there is, and others find room", async () => {
    const wires = await Promise.all(Array.from({ length: 12 }, () => openWire(stack.syncUrl)));
    const loads = async (wire: Wire) => {
      for (let frame = 0; frame < 20 && wire.closed() === undefined; frame++) {
        const ids = Array.from({ length: 500 }, someId);
        wire.send(...ids.map((id) => ({ action: "load", id, header: false, sessions: {} })));
        await wire.drained().catch((error: unknown) => {
          if (wire.closed() === undefined) throw error;
        });
      }
    };
    const longest = await longestWaitDuring(Promise.all(wires.map(loads)));
    console.log(`unknown ids: an honest load waited for ${longest.toFixed(0)} ms at most`);
    expect(longest).toBeLessThan(LONGEST_MS);
    expect(wires.every((wire) => wire.closed() !== undefined || refused(wire).length > 0)).toBe(true);
    await honestIsWell("beside sockets that want everything");
    await Promise.all(wires.map((wire) => wire.close()));
  }, 120_000);
});
