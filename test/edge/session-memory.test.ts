import { describe, expect, test } from "vitest";
import {
  IsolateBudget,
  type IsolateMemory,
  SHARE_REMEMBERED,
  SHARE_WAITING,
} from "../../edge/isolate-budget.ts";
import { SessionMemory } from "../../edge/session-memory.ts";

const BOUNDS = { sessionBytes: 500, rememberedBytes: 400, rememberedMaxBytes: 600 };

function isolate(): IsolateMemory {
  return {
    waiting: new IsolateBudget(1_000, 1_000, SHARE_WAITING),
    remembered: new IsolateBudget(1_000, 1_000, SHARE_REMEMBERED),
  };
}

describe("a session's memory", () => {
  test("refuses past its limit, and is a reason to end only far past it", () => {
    const memory = new SessionMemory(BOUNDS, isolate(), 0);
    const { remembered } = memory;
    expect(remembered.take(400)).toBe(true);
    expect(remembered.take(1)).toBe(false);
    expect(remembered.refusal("a `load` was refused").message).toContain("400 bytes");
    expect(memory.fault).toBeUndefined();
  });

  test("is a reason to end when Sprites made it far too much", () => {
    const memory = new SessionMemory(BOUNDS, isolate(), 0);
    memory.remembered.charge(600);
    expect(memory.fault).toBeUndefined();
    memory.remembered.charge(1);
    expect(memory.fault).toMatchObject({ code: "overloaded" });
  });

  test("is a reason to end when one that has less than half of it finds no room, which then has it", () => {
    const shared = isolate();
    const [large, small] = [new SessionMemory(BOUNDS, shared, 0), new SessionMemory(BOUNDS, shared, 0)];
    large.remembered.charge(600);
    expect(small.remembered.take(250)).toBe(true);
    expect(large.fault).toMatchObject({ code: "overloaded" });
    expect(small.fault).toBeUndefined();
    large.close();
    small.close();
    expect([shared.remembered.used, shared.waiting.used]).toEqual([0, 0]);
  });

  test("counts no more when its session gave no sign of life for long", () => {
    const shared = isolate();
    new SessionMemory(BOUNDS, shared, 0).remembered.charge(400);
    const other = new SessionMemory(BOUNDS, shared, 0);
    other.remembered.charge(390);
    expect(other.remembered.take(10)).toBe(false);
    other.seen(1_001);
    expect(other.remembered.take(10)).toBe(true);
  });
});
