import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { PeriodCount } from "../../sprite/period-count.ts";
import { temporaryDirectory } from "./support.ts";

describe("the count of awake periods", () => {
  test("grows with each process, and stays the same within one", async () => {
    const file = join(temporaryDirectory(), "deep", "count");
    const first = new PeriodCount(file);
    expect(await Promise.all([first.begin(0), first.begin(undefined), first.begin(1)])).toEqual([1, 1, 1]);
    expect(await new PeriodCount(file).begin(undefined)).toBe(2);
    expect(await new PeriodCount(file).begin(undefined)).toBe(3);
  });

  test("is raised, also on the disk, when a restored disk turns out to be behind what the coordinator knows", async () => {
    const file = join(temporaryDirectory(), "count");
    const count = new PeriodCount(file);
    expect(await count.begin(0)).toBe(1);
    expect(await Promise.all([count.begin(7), count.begin(undefined), count.begin(7)])).toEqual([8, 8, 8]);
    expect(await new PeriodCount(file).begin(undefined)).toBe(9);
  });

  test("goes on from what the coordinator knows when the disk is new, or behind", async () => {
    const file = join(temporaryDirectory(), "count");
    expect(await new PeriodCount(file).begin(41)).toBe(42);
    await rm(file);
    expect(await new PeriodCount(file).begin(42)).toBe(43);
    expect(await new PeriodCount(file).begin(7)).toBe(44);
  });

  test("is not made up on a new disk: the edge has to ask the coordinator, and then it begins", async () => {
    const count = new PeriodCount(join(temporaryDirectory(), "count"));
    await expect(count.begin(undefined)).rejects.toMatchObject({ code: "wrong-sprite" });
    expect(await count.begin(0)).toBe(1);
  });

  test("that cannot be read is treated as lost, and one that cannot be written keeps nobody out", async () => {
    const file = join(temporaryDirectory(), "count");
    await writeFile(file, "garbage");
    expect(await new PeriodCount(file).begin(5)).toBe(6);
    const inTheWay = join(temporaryDirectory(), "file");
    await writeFile(inTheWay, "");
    expect(await new PeriodCount(join(inTheWay, "count")).begin(5)).toBe(6);
  });
});
