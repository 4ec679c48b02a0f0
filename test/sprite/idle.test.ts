import fc from "fast-check";
import { expect, test } from "vitest";
import { type Busyness, evaluate, type IdleState, onActivity } from "../../sprite/idle.ts";

const QUIET: Busyness = { pendingStores: 0, busyUpstreams: 0, upgrades: 0 };
const awake = (since: number): IdleState => ({ kind: "awake", since });

test("It sleeps when nothing happened for the whole time, and not a moment earlier", () => {
  expect(evaluate(awake(0), 29_999, QUIET, 30_000).kind).toBe("awake");
  expect(evaluate(awake(0), 30_000, QUIET, 30_000).kind).toBe("asleep");
});

test("It never sleeps when told 0", () => {
  expect(evaluate(awake(0), Number.MAX_SAFE_INTEGER, QUIET, 0).kind).toBe("awake");
});

test.each([{ busyUpstreams: 1 }, { upgrades: 1 }])("%o starts the time anew", (busy) => {
  expect(evaluate(awake(0), 40_000, { ...QUIET, ...busy }, 30_000)).toEqual(awake(40_000));
});

test("A pending store keeps it awake, a lost one not for ever", () => {
  const busy = { ...QUIET, pendingStores: 1 };
  expect(evaluate(awake(0), 60_000, busy, 30_000).kind).toBe("awake");
  expect(evaluate(awake(0), 90_000, busy, 30_000).kind).toBe("asleep");
});

test("Once asleep it stays asleep: after the close frames nothing may count any more", () => {
  expect(onActivity({ kind: "asleep" }, 5)).toEqual({ kind: "asleep" });
  expect(evaluate({ kind: "asleep" }, 5, { ...QUIET, upgrades: 1 }, 1).kind).toBe("asleep");
});

test("Whatever happens when, it never sleeps within the time after an activity", () => {
  const step = fc.record({ after: fc.nat(20_000), active: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      let state = awake(0);
      let now = 0;
      let last = 0;
      for (const { after, active } of steps) {
        now += after;
        if (active && state.kind === "awake") {
          state = onActivity(state, now);
          last = now;
        }
        state = evaluate(state, now, QUIET, 30_000);
        if (state.kind === "asleep") return now - last >= 30_000;
      }
      return now - last < 30_000;
    }),
  );
});
