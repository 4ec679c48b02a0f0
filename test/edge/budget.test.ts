import { describe, expect, test } from "vitest";
import { Budget, bytesOf, ownText } from "../../edge/budget.ts";
import { IsolateBudget, SHARE_REMEMBERED, SHARE_WAITING } from "../../edge/isolate-budget.ts";
import { usedHeap } from "../support/used-heap.ts";

describe("a budget", () => {
  test("takes what fits here and in everything around it, and gives it back to all", () => {
    const session = new Budget(100);
    const [one, other] = [new Budget(80, session), new Budget(80, session)];
    expect(one.take(81)).toBe(false);
    expect(one.take(70)).toBe(true);
    expect(other.take(31)).toBe(false);
    expect(other.take(30)).toBe(true);
    expect([one.used, other.used, session.used]).toEqual([70, 30, 100]);
    one.give(70);
    expect(other.take(50)).toBe(true);
    expect(session.used).toBe(80);
  });

  test("counts what cannot be refused, and says that it is too much", () => {
    const session = new Budget(100);
    const sent = new Budget(1_000, session);
    sent.charge(101);
    expect(sent.exceeded).toBe(true);
    sent.give(1);
    expect(sent.exceeded).toBe(false);
  });
});

describe("an isolate", () => {
  test("bounds its sessions together", () => {
    const isolate = new IsolateBudget(100, 1_000, SHARE_WAITING);
    const [one, other] = [new Budget(80, isolate.open(0)), new Budget(80, isolate.open(0))];
    expect(one.take(80)).toBe(true);
    expect(other.take(21)).toBe(false);
    expect(other.take(17)).toBe(true);
    expect(isolate.used).toBe(97);
  });

  test("lets one session use half of what all may remember, and keeps as much for the next as each of many has", () => {
    const isolate = new IsolateBudget(1_000, 1_000, SHARE_REMEMBERED);
    const greedy = Array.from({ length: 9 }, () => isolate.open(0));
    for (let round = 0; round < 1_000; round++) {
      for (const account of greedy) if (account.fits(1)) account.charge(1);
    }
    expect(greedy.map(({ used }) => used)).toEqual(Array(9).fill(100));
    expect(isolate.open(0).fits(50)).toBe(true);
  });

  test("makes the largest session end for one that has less than half of that, and no other", () => {
    const isolate = new IsolateBudget(1_000, 1_000, SHARE_REMEMBERED);
    const [large, middle, small] = [isolate.open(0), isolate.open(0), isolate.open(0)];
    large.charge(500);
    middle.charge(250);
    expect(small.fits(126)).toBe(true);
    expect([large.isEvicted, middle.isEvicted, small.isEvicted]).toEqual([true, false, false]);
    expect(isolate.used).toBe(250);
    // It does not begin again before its socket is closed, and what it gives back is not counted twice.
    expect(large.fits(1)).toBe(false);
    large.give(500);
    expect(isolate.used).toBe(250);
  });

  test("refuses the one who asks when it is the largest itself, or nearly", () => {
    const isolate = new IsolateBudget(1_000, 1_000, SHARE_REMEMBERED);
    const [large, middle] = [isolate.open(0), isolate.open(0)];
    large.charge(500);
    expect(middle.fits(251)).toBe(false);
    expect(large.fits(1)).toBe(false);
    expect(large.isEvicted).toBe(false);
  });

  test("lets no session end for what only waits: the others' shares are smaller, and a small one finds room", () => {
    const isolate = new IsolateBudget(1_000, 1_000, SHARE_WAITING);
    const greedy = Array.from({ length: 9 }, () => isolate.open(0));
    for (let round = 0; round < 1_000; round++) {
      for (const account of greedy) if (account.fits(1)) account.charge(1);
    }
    expect(isolate.open(0).fits(10)).toBe(true);
    expect(greedy.every(({ isEvicted }) => !isEvicted)).toBe(true);
  });

  test("gets back what a session had that has ended, once", () => {
    const isolate = new IsolateBudget(100, 1_000, SHARE_WAITING);
    const account = isolate.open(0);
    const budget = new Budget(100, account);
    budget.take(60);
    account.close();
    budget.give(60);
    expect(isolate.used).toBe(0);
  });

  test("forgets what a session had that workerd ended without a word", () => {
    const isolate = new IsolateBudget(100, 1_000, SHARE_WAITING);
    new Budget(100, isolate.open(0)).take(88);
    const account = isolate.open(900);
    const budget = new Budget(100, account);
    expect(budget.take(13)).toBe(false);
    account.seenAt = 1_001;
    expect(budget.take(13)).toBe(true);
    expect(isolate.used).toBe(13);
  });
});

describe("a text", () => {
  test("counts one byte a character in Latin-1 and two otherwise, as in V8's heap", () => {
    expect([bytesOf("abc"), bytesOf("äöü"), bytesOf("ab→")]).toEqual([3, 3, 6]);
  });

  test("that waits does not keep the frame in memory that it came in", () => {
    const kept: string[] = [];
    const before = usedHeap();
    for (let n = 0; n < 40; n++) {
      const frame = `${"x".repeat(1_000_000)}${n}\n{"action":"done","id":"co_z1234567890"}`;
      kept.push(ownText(frame.split("\n")[1] ?? ""));
    }
    expect(usedHeap() - before).toBeLessThan(5_000_000);
    expect(kept[0]).toBe('{"action":"done","id":"co_z1234567890"}');
  });
});
