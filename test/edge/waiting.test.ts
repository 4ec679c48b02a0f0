import { describe, expect, test } from "vitest";
import { Waiting, type WaitingKind } from "../../edge/waiting.ts";
import type { GroupId } from "../../shared/ids.ts";

const home = (n: number) => `co_zGroup${n}` as GroupId;

describe("the line of groups that wait for their fleet", () => {
  test("who has waited for longer is told to come back sooner, and keeps its place when it is refused again", () => {
    const line = new Waiting();
    const first = [0, 1, 2, 3].map((n) => line.refused(home(n), "capacity", 5_000, 10 * n).retryAfterMs);
    expect(first).toEqual([5_000, 6_000, 7_000, 8_000]);
    // Asked in the other order: the places are those of the first refusals.
    const again = [3, 2, 1, 0].map((n) => line.refused(home(n), "capacity", 5_000, 100).retryAfterMs);
    expect(again).toEqual([8_000, 7_000, 6_000, 5_000]);
    line.ended(home(0), 200);
    expect(line.refused(home(3), "capacity", 5_000, 200).retryAfterMs).toBe(7_000);
  });

  test("who waits for room is not behind those who wait for a rate limit", () => {
    const line = new Waiting();
    for (let n = 0; n < 8; n++) line.refused(home(n), "rate", 0, n);
    expect(line.refused(home(8), "capacity", 1_000, 8).retryAfterMs).toBe(1_000);
    expect(line.refused(home(9), "rate", 1_000, 9).retryAfterMs).toBe(1_000 + 8 * 250);
    expect(line.report(109)).toEqual({ capacity: 1, rate: 9, longestMs: 109 });
  });

  test("a long line is asked to come back within half a minute of what the fleet said", () => {
    const line = new Waiting();
    let last = 0;
    for (let n = 0; n < 1_000; n++) last = line.refused(home(n), "capacity", 2_000, n).retryAfterMs;
    expect(last).toBe(32_000);
  });

  test("one that never asks again is forgotten a minute after it should have; one that does is not", () => {
    const line = new Waiting();
    for (const n of [1, 2]) line.refused(home(n), "capacity", 5_000, 0);
    expect(line.expire(64_999)).toEqual([]);
    line.refused(home(2), "capacity", 5_000, 64_999);
    expect(line.expire(65_000)).toEqual([home(1)]);
    expect([...line.homes]).toEqual([home(2)]);
  });

  test.each<WaitingKind>(["capacity", "rate"])("tells how long one waited for %s, once", (kind) => {
    const line = new Waiting();
    line.refused(home(1), kind, 0, 1_000);
    line.refused(home(1), kind, 0, 2_000);
    expect(line.ended(home(1), 3_500)).toBe(2_500);
    expect(line.ended(home(1), 3_600)).toBeUndefined();
    expect(line.report(4_000)).toEqual({ capacity: 0, rate: 0, longestMs: 0 });
  });

  test("is the same line for whoever goes on with its entries", () => {
    const line = new Waiting();
    const { group } = line.refused(home(1), "capacity", 0, 0);
    const next = new Waiting([[home(1), group]]);
    expect(next.refused(home(2), "capacity", 0, 1).retryAfterMs).toBe(1_000);
    expect(next.ended(home(1), 10)).toBe(10);
  });
});
