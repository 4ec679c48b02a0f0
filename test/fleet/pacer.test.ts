import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { createRateLimits } from "../../dev/fleet/rate-limits.ts";
import { paceOf } from "../../edge/fleet/machines-limits.ts";
import { createPacer } from "../../edge/fleet/pacer.ts";

const pace = { perSecond: 1, burst: 3 };

describe("the pacer", () => {
  it("gives ten thousand callers their turn, in their order, in the time that the limit's arithmetic says", () => {
    const pacer = createPacer();
    const turns = Array.from({ length: 10_000 }, () =>
      pacer.next("create", pace, 0, Number.POSITIVE_INFINITY),
    );
    expect(turns.every(({ granted }) => granted)).toBe(true);
    expect(turns.map(({ inMs }) => inMs)).toEqual(
      Array.from({ length: 10_000 }, (_, i) => Math.max(0, i - 2) * 1_000),
    );
  });

  it("sends away who would wait too long, at no cost for those who come later", () => {
    const pacer = createPacer();
    const ask = (now: number) => pacer.next("create", pace, now, 1_000);
    expect(Array.from({ length: 100 }, () => ask(0)).filter(({ granted }) => granted)).toHaveLength(4);
    expect(ask(0)).toEqual({ granted: false, inMs: 2_000 });
    expect(ask(1_000)).toEqual({ granted: true, inMs: 1_000 });
  });

  it("keeps each key's pace apart from the others'", () => {
    const pacer = createPacer();
    for (let i = 0; i < 5; i++) pacer.next("busy", pace, 0, 10_000);
    expect(pacer.next("idle", pace, 0, 0)).toEqual({ granted: true, inMs: 0 });
  });

  it("never sends a call that Fly's limits would refuse, whenever calls come and however they bunch up on their way", () => {
    const call = fc.record({ after: fc.nat(2_000), show: fc.boolean(), delay: fc.nat(999) });
    fc.assert(
      fc.property(fc.array(call, { maxLength: 200 }), (calls) => {
        const pacer = createPacer();
        const arrivals: { at: number; operation: string }[] = [];
        let now = 0;
        for (const { after, show, delay } of calls) {
          now += after;
          const operation = show ? "Machines_show" : "Machines_create";
          const turn = pacer.next(operation, paceOf(operation), now, 5_000);
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
