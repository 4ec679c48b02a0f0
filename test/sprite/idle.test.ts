import fc from "fast-check";
import { expect, test } from "vitest";
import { awakeAt, type Busyness, evaluate, onActivity } from "../../sprite/idle.ts";

const QUIET: Busyness = { pendingOnDisk: 0, queued: 0, busyUpstreams: 0, upgrades: 0 };
const RULE = { sleepAfterMs: 30_000, stepMs: 2_000 };

/** The state after checks every second up to `now`. */
function checkedUntil(now: number, busy = QUIET, rule = RULE) {
  let state = awakeAt(0);
  for (let at = 1_000; at <= now; at += 1_000) state = evaluate(state, at, busy, rule);
  return state;
}

test("It sleeps when nothing happened for the whole time, and not a moment earlier", () => {
  const almost = checkedUntil(29_000);
  expect(evaluate(almost, 29_999, QUIET, RULE).kind).toBe("awake");
  expect(evaluate(almost, 30_000, QUIET, RULE).kind).toBe("asleep");
});

test("It never sleeps when told 0", () => {
  expect(checkedUntil(100_000, QUIET, { ...RULE, sleepAfterMs: 0 }).kind).toBe("awake");
});

test.each([{ busyUpstreams: 1 }, { upgrades: 1 }, { queued: 1 }])("%o starts the time anew", (busy) => {
  expect(evaluate(checkedUntil(29_000), 40_000, { ...QUIET, ...busy }, RULE)).toEqual(awakeAt(40_000));
});

test("What the disk has not done yet keeps it awake, and what is lost there not for ever", () => {
  const busy = { ...QUIET, pendingOnDisk: 1 };
  expect(checkedUntil(89_000, busy).kind).toBe("awake");
  expect(checkedUntil(90_000, busy).kind).toBe("asleep");
});

test("Time in which it was paused proves nothing: it listens again before it sleeps", () => {
  const paused = evaluate(checkedUntil(5_000), 3_600_000, QUIET, RULE);
  expect(paused).toEqual({ kind: "awake", quietMs: 7_000, checkedAt: 3_600_000 });
});

test("Once asleep it stays asleep: after that nothing may count any more", () => {
  expect(onActivity({ kind: "asleep" }, 5)).toEqual({ kind: "asleep" });
  expect(evaluate({ kind: "asleep" }, 5, { ...QUIET, upgrades: 1 }, RULE).kind).toBe("asleep");
});

test("Whatever happens when, it never sleeps within the time after an activity", () => {
  const step = fc.record({ after: fc.nat(20_000), active: fc.boolean() });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      let state = awakeAt(0);
      let now = 0;
      let last = 0;
      for (const { after, active } of steps) {
        now += after;
        if (active && state.kind === "awake") {
          state = onActivity(state, now);
          last = now;
        }
        state = evaluate(state, now, QUIET, { sleepAfterMs: 30_000, stepMs: 20_000 });
        if (state.kind === "asleep") return now - last >= 30_000;
      }
      return now - last < 30_000;
    }),
  );
});
