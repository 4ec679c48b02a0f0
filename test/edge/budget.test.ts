import { describe, expect, test } from "vitest";
import { Budget, bytesOf, ownText } from "../../edge/budget.ts";
import { IsolateBudget } from "../../edge/isolate-budget.ts";
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
    const isolate = new IsolateBudget(100, 1_000);
    const [one, other] = [new Budget(80, isolate.open(0)), new Budget(80, isolate.open(0))];
    expect(one.take(80)).toBe(true);
    expect(other.take(21)).toBe(false);
    expect(other.take(20)).toBe(true);
    expect(isolate.used).toBe(100);
  });

  test("gets back what a session had that has ended, once", () => {
    const isolate = new IsolateBudget(100, 1_000);
    const account = isolate.open(0);
    const budget = new Budget(100, account);
    budget.take(60);
    account.close();
    budget.give(60);
    expect(isolate.used).toBe(0);
  });

  test("forgets what a session had that workerd ended without a word", () => {
    const isolate = new IsolateBudget(100, 1_000);
    new Budget(100, isolate.open(0)).take(100);
    const account = isolate.open(900);
    const budget = new Budget(100, account);
    expect(budget.take(1)).toBe(false);
    account.seenAt = 1_001;
    expect(budget.take(1)).toBe(true);
    expect(isolate.used).toBe(1);
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
