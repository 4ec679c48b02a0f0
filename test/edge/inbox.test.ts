import { expect, test } from "vitest";
import { Budget } from "../../edge/budget.ts";
import { Inbox } from "../../edge/inbox.ts";
import { LIMITS } from "../../shared/limits.ts";

/** An inbox whose later turns the test gives. */
function opened(bytes = 1_000_000) {
  const handled: string[][] = [];
  const faults: unknown[] = [];
  const turns: (() => void)[] = [];
  const budget = new Budget(bytes);
  const inbox = new Inbox({
    handle: (texts) => {
      if (texts.includes("bad")) throw new Error("bad");
      handled.push([...texts]);
    },
    onFault: (error) => faults.push(error),
    later: (_, action) => turns.push(action),
    budget,
  });
  return { inbox, handled, faults, budget, turn: () => turns.shift()?.() };
}

const numbers = (from: number, count: number) => Array.from({ length: count }, (_, n) => `${from + n}`);

test("What cojson sends in a frame is handled as it comes", () => {
  const { inbox, handled } = opened();
  inbox.push("one");
  inbox.push("two\nthree");
  expect([handled, inbox.isIdle]).toEqual([[["one"], ["two", "three"]], true]);
});

test("A frame of thousands of messages takes several turns, and what comes meanwhile waits behind it", () => {
  const { inbox, handled, budget, turn } = opened();
  const all = numbers(0, 2 * LIMITS.turnMessages + 1);
  inbox.push(all.join("\n"));
  inbox.push("last");
  expect(handled.map(({ length }) => length)).toEqual([LIMITS.turnMessages]);
  expect([inbox.isIdle, budget.used > 0]).toEqual([false, true]);
  for (let n = 0; n < 3; n++) turn();
  expect(handled.map(({ length }) => length)).toEqual([LIMITS.turnMessages, LIMITS.turnMessages, 1, 1]);
  expect(handled.flat()).toEqual([...all, "last"]);
  expect([inbox.isIdle, budget.used]).toEqual([true, 0]);
});

test("A frame of long messages takes several turns, too", () => {
  const { inbox, handled, turn } = opened(10 * LIMITS.turnChars);
  const long = "x".repeat(LIMITS.turnChars);
  inbox.push(`${long}\n${long}\nshort`);
  expect(handled.map(({ length }) => length)).toEqual([1]);
  turn();
  turn();
  expect(handled.map(({ length }) => length)).toEqual([1, 1, 1]);
});

test("What finds no room to wait is the client's fault, and so is what a later turn cannot handle", () => {
  const { inbox, faults, turn } = opened(5_000);
  inbox.push([...numbers(0, LIMITS.turnMessages), "bad"].join("\n"));
  expect(() => inbox.push("x".repeat(5_000))).toThrow(/more messages at once/);
  turn();
  expect(faults).toMatchObject([{ message: "bad" }]);
});
