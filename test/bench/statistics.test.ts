import { describe, expect, test } from "vitest";
import { interleave, series } from "../../bench/interleave.ts";
import { median, percentile, ratioOf } from "../../bench/statistics.ts";

describe("statistics", () => {
  test("a percentile is a value, or lies between its two neighbours", () => {
    expect(percentile([30, 10, 20], 0)).toBe(10);
    expect(percentile([30, 10, 20], 1)).toBe(30);
    expect(percentile([10, 20], 0.75)).toBe(17.5);
    expect(median([5, 1, 3, 100])).toBe(4);
    expect(() => median([])).toThrow(RangeError);
  });

  test("a ratio is taken round by round, so that a slow moment of the machine does not change it", () => {
    expect(ratioOf([2, 20, 200], [1, 10, 100])).toEqual({ median: 2, low: 2, high: 2 });
    expect(ratioOf([1, 2, 6, 8, 50], [1, 1, 2, 2, 1])).toEqual({ median: 3, low: 2, high: 4 });
    expect(() => ratioOf([1], [1, 2])).toThrow(RangeError);
  });
});

describe("interleaving", () => {
  test("runs everything in each round, in turning order, and forgets the first round", async () => {
    const order: string[] = [];
    const contender = (name: string) => ({ name, run: async () => ({ nth: order.push(name) }) });
    const samples = await interleave([contender("a"), contender("b")], 2);
    expect(order.join("")).toBe("abbaab");
    expect(series(samples, "a", "nth")).toEqual([4, 5]);
    expect(series(samples, "b", "nth")).toEqual([3, 6]);
    expect(() => series(samples, "a", "other")).toThrow(RangeError);
  });
});
