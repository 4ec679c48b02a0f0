import fc from "fast-check";
import { LRUCache } from "lru-cache";
import { describe, expect, test } from "vitest";
import { Budget } from "../../edge/budget.ts";
import { Follow } from "../../edge/follow.ts";
import { Follows } from "../../edge/follows.ts";
import { countsOf, covers, isCovered, raised, type Tally, tallyOf } from "../../edge/tally.ts";
import { asHome, type CoValueId } from "../../shared/ids.ts";
import { isBehind, mergeKnownState } from "../../shared/known-state.ts";
import { type LoadMessage, parseMessage } from "../../shared/messages.ts";
import { loadOf, manyIds, someWriter } from "../support/many-values.ts";
import { newRemembered } from "../support/remembered.ts";
import { usedHeap } from "../support/used-heap.ts";
import { MemoryShards, RouterHarness } from "./router-harness.ts";

const MANY = 10_000;

describe("a session that follows 10,000 values", () => {
  test("keeps less than 300 bytes for each, on average, of one writer or two", () => {
    const writers = Array.from({ length: 50 }, someWriter);
    const texts = manyIds(MANY).map((id, n) =>
      loadOf(id, n % 2 ? [writers[n % 50] ?? ""] : [writers[n % 50] ?? "", writers[(n * 7 + 1) % 50] ?? ""]),
    );
    const [home = "" as CoValueId] = manyIds(1);
    const before = usedHeap();
    const follows = new Follows((id, at) => new Follow(id, at), {
      kept: new Budget(0),
      remembered: newRemembered(),
    });
    for (const text of texts) {
      const message = parseMessage(text) as LoadMessage;
      const follow = follows.begin(message.id, asHome(home));
      follow.clientLoads(message);
      follow.homeKnows({ ...message, action: "known", isCorrection: false });
    }
    const bytes = (usedHeap() - before) / MANY;
    // The texts were there before and after.
    expect(texts).toHaveLength(MANY);
    expect(follows.at(asHome(home)).unsettled).toBe(0);
    expect(follows.size).toBe(MANY);
    expect(bytes).toBeLessThan(300);
    // Or nothing was measured.
    expect(bytes).toBeGreaterThan(100);
  });

  test("replays all of one home when it is attached again, and repairs each that is behind exactly once", async () => {
    const [home = "", other = "", ...ids] = manyIds(MANY + 2);
    const shards = new MemoryShards();
    for (const [n, id] of ids.entries()) shards.homes.set(id, n % 2 ? home : other);
    const harness = new RouterHarness(shards, "root", new LRUCache({ max: MANY }));
    const writer = someWriter();
    await harness.client(...ids.map((id) => loadOf(id, [writer])));
    const mine = ids.filter((_, n) => n % 2);
    while (harness.router.followed < MANY) await harness.client();
    expect(harness.sprite(home)).toHaveLength(mine.length);
    harness.attach(home);
    const known = (id: CoValueId, count: number) =>
      ({ action: "known", id, header: true, sessions: { [writer]: count } }) as const;
    for (const id of mine) harness.fromSpriteNow(home, known(id, 3));
    expect(harness.router.owes(asHome(home as CoValueId))).toBe(false);
    expect(harness.router.owes(asHome(other as CoValueId))).toBe(true);
    harness.lose(home);
    harness.take();
    expect(new Set(harness.attach(home).map((message) => "id" in message && message.id))).toEqual(
      new Set(mine),
    );
    expect(harness.router.repairs(asHome(home as CoValueId))).toBe(true);
    for (let n = 0; n < 2; n++) for (const id of mine) harness.fromSpriteNow(home, known(id, 2));
    const corrections = harness
      .take()
      .filter((message) => message.action === "known" && message.isCorrection);
    expect(corrections).toHaveLength(mine.length);
    expect(harness.repaired).toContain(home);
    expect(harness.router.repairs(asHome(home as CoValueId))).toBe(false);
  });
});

describe("counts that are kept", () => {
  const counts = fc.dictionary(fc.constantFrom(..."abcdefghijklmnop"), fc.nat(5), { noNullPrototype: true });

  test("say the same as cojson's known states, of few writers and of many", () => {
    fc.assert(
      fc.property(counts, fc.array(counts), (first, others) => {
        let tally: Tally = tallyOf(first);
        const state = { header: true, sessions: { ...first } };
        for (const other of others) {
          const that = { header: true, sessions: other };
          expect(covers(other, tally)).toBe(!isBehind(that, state));
          expect(isCovered(other, tally)).toBe(!isBehind(state, that));
          tally = raised(tally, other);
          mergeKnownState(state, that);
          expect(countsOf(tally)).toEqual(state.sessions);
        }
      }),
    );
  });
});
