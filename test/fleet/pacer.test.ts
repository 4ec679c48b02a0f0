import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRateLimits } from "../../dev/fleet/rate-limits.ts";
import { paceOf } from "../../edge/fleet/machines-limits.ts";
import { createPacer, LONGEST_QUEUE_MS, memoryStore, TURN_KEPT_MS } from "../../edge/fleet/pacer.ts";
import { takeTurn } from "../../edge/fleet/turns.ts";

const pace = { perSecond: 1, burst: 3 };

/** A pacer, its clock, and a way to begin anew on what it remembers, as an evicted Durable Object does. */
function pacerAt(start = 0) {
  const store = memoryStore();
  let pacer = createPacer(() => start, store);
  const clock = {
    now: start,
    ask: (patienceMs: number, holder?: string, key = "create") =>
      pacer.next({ key, pace, patienceMs, ...(holder !== undefined && { holder }) }),
    evict: () => {
      pacer = createPacer(() => clock.now, store);
    },
    store,
  };
  clock.evict();
  return clock;
}

describe("the pacer", () => {
  it("gives ten thousand callers their turn, in their order, in the time that the limit's arithmetic says", () => {
    const pacer = pacerAt();
    const turns = Array.from({ length: 10_000 }, () => pacer.ask(Number.POSITIVE_INFINITY));
    expect(turns.every(({ granted }) => granted)).toBe(true);
    expect(turns.map(({ inMs }) => inMs)).toEqual(
      Array.from({ length: 10_000 }, (_, i) => Math.max(0, i - 2) * 1_000),
    );
  });

  it("sends away who would wait too long, at no cost for those who come later", () => {
    const pacer = pacerAt();
    const asked = Array.from({ length: 100 }, () => pacer.ask(1_000));
    expect(asked.filter(({ granted }) => granted)).toHaveLength(4);
    expect(pacer.ask(1_000)).toEqual({ granted: false, inMs: 2_000 });
    pacer.now = 1_000;
    expect(pacer.ask(1_000)).toEqual({ granted: true, inMs: 1_000 });
  });

  it("keeps the place of whoever gives a name: it comes back when it was told to, and it is its turn", () => {
    const pacer = pacerAt();
    const names = Array.from({ length: 10 }, (_, i) => `group ${i}`);
    const waits = names.map((name) => pacer.ask(1_000, name));
    expect(waits.filter(({ granted }) => granted)).toHaveLength(4);
    pacer.now = 7_000;
    // Newcomers do not overtake, and asking twice does not cost a second turn.
    expect(pacer.ask(1_000, "newcomer")).toEqual({ granted: true, inMs: 1_000 });
    expect(pacer.ask(0, "group 9")).toEqual({ granted: true, inMs: 0 });
    expect(pacer.ask(0, "group 9")).toEqual({ granted: true, inMs: 0 });
    expect(pacer.ask(1_000, "next newcomer")).toEqual({ granted: false, inMs: 2_000 });
  });

  it("forgets a turn that was not taken for two minutes, and everything else that is over", () => {
    const pacer = pacerAt();
    for (let i = 0; i < 5; i++) pacer.ask(0, "late");
    pacer.ask(0, "other");
    pacer.now = TURN_KEPT_MS + 1;
    pacer.ask(0, "newer");
    expect(pacer.store.due("create", "late")).toBeUndefined();
    expect(pacer.store.due("create", "other")).toBeUndefined();
    expect(pacer.store.due("create", "newer")).toBe(pacer.now);
  });

  it("goes on where it was after it has been evicted: nobody's turn is lost, given twice or moved", () => {
    const [kept, evicted] = [pacerAt(), pacerAt()];
    for (let i = 0; i < 300; i++) {
      kept.now = evicted.now = i * 700;
      const name = `group ${i % 50}`;
      expect(evicted.ask(5_000, name)).toEqual(kept.ask(5_000, name));
      evicted.evict();
    }
  });

  it("promises nobody a turn that is more than a day away", () => {
    const pacer = pacerAt();
    const slow = { key: "slow", pace: { perSecond: 1 / 86_400, burst: 1 }, patienceMs: 0 };
    const next = createPacer(() => 0, pacer.store);
    const asked = ["a", "b", "c"].map((holder) => next.next({ ...slow, holder }));
    expect(asked.map(({ inMs }) => inMs)).toEqual([0, LONGEST_QUEUE_MS, 2 * LONGEST_QUEUE_MS]);
    expect(pacer.store.due("slow", "c")).toBeUndefined();
  });

  it("keeps each key's pace apart from the others'", () => {
    const pacer = pacerAt();
    for (let i = 0; i < 5; i++) pacer.ask(10_000, undefined, "busy");
    expect(pacer.ask(0, undefined, "idle")).toEqual({ granted: true, inMs: 0 });
  });

  it("never sends a call that Fly's limits would refuse, whenever calls come and however they bunch up on their way", () => {
    const call = fc.record({ after: fc.nat(2_000), show: fc.boolean(), delay: fc.nat(999) });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
        let now = 0;
        const pacer = createPacer(() => now);
        const arrivals: { at: number; operation: string }[] = [];
        for (const { after, show, delay } of calls) {
          now += after;
          const operation = show ? "Machines_show" : "Machines_create";
          const turn = pacer.next({ key: operation, pace: paceOf(operation), patienceMs: 5_000 });
          const late = show ? delay * 0.4 : delay;
          if (turn.granted) arrivals.push({ at: now + turn.inMs + late, operation });
        }
        let clock = 0;
        const fly = createRateLimits(() => clock);
        for (const { at, operation } of arrivals.sort((a, b) => a.at - b.at)) {
          clock = at;
          expect(fly.allows(operation, undefined)).toBe(true);
        }
      }),
    );
  });
});

describe("a turn", () => {
  const request = { key: "create", pace, patienceMs: 1_000 };

  it("is waited for when it is near, and refused as `rate` with its time when it is not", async () => {
    const pauses: number[] = [];
    const pause = async (ms: number) => void pauses.push(ms);
    await takeTurn("x", request, { pause, pacer: { next: () => ({ granted: true, inMs: 700 }) } });
    expect(pauses).toEqual([700]);
    const far = { next: () => ({ granted: false, inMs: 9_000 }) };
    await expect(takeTurn("x", request, { pause, pacer: far })).rejects.toMatchObject({
      code: "rate",
      retryAfterMs: 9_000,
    });
  });

  it("is `transient` when the queue cannot be asked: a Durable Object that moves", async () => {
    const gone = { next: () => Promise.reject(new Error("Durable Object reset")) };
    const refused = takeTurn("x", request, { pause: async () => {}, pacer: gone });
    await expect(refused).rejects.toMatchObject({ code: "transient" });
  });
});
