import { describe, expect, test } from "vitest";
import { Watchers } from "../../edge/watchers.ts";

function watchers(limit: number) {
  const forgotten: string[] = [];
  return { watchers: new Watchers(limit, (watcher) => forgotten.push(watcher)), forgotten };
}

const ids = (count: number, of: string) => Array.from({ length: count }, (_, n) => `${of}${n}`);

describe("watchers of ids without a home", () => {
  test("are all told once, and nothing is left of the id or of who left", () => {
    const { watchers: all } = watchers(100);
    all.add("one", ["a", "b"]);
    all.add("one", ["a"]);
    all.add("other", ["a"]);
    expect([...all.take("a")]).toEqual(["one", "other"]);
    expect([...all.take("a")]).toEqual([]);
    all.leave("one");
    expect([...all.take("b")]).toEqual([]);
    expect(all.entries).toBe(0);
  });

  test("share the room: those that want all of it leave some for the next", () => {
    const { watchers: all, forgotten } = watchers(1_000);
    const held = ["one", "two"].map((watcher) => all.add(watcher, ids(1_000, watcher)));
    expect(held).toEqual([500, 250]);
    expect(all.add("small", ids(10, "small"))).toBe(10);
    expect(forgotten).toEqual([]);
  });

  test("that hold much make room for one that holds less than half of that, and tell theirs again", () => {
    const { watchers: all, forgotten } = watchers(1_000);
    for (const watcher of ["one", "two"]) all.add(watcher, ids(1_000, watcher));
    expect(all.add("three", ids(1_000, "three"))).toBe(375);
    expect(forgotten).toEqual(["one"]);
    expect([...all.take("one0")]).toEqual([]);
    expect([...all.take("three374")]).toEqual(["three"]);
    expect(all.add("one", ids(1_000, "one"))).toBe(188);
    expect(all.entries).toBe(250 + 374 + 188);
    expect(forgotten).toEqual(["one"]);
  });

  test("never pass the limit, whoever comes, and a late small one always finds room", () => {
    const { watchers: all } = watchers(1_000);
    for (let n = 0; n < 200; n++) {
      all.add(`greedy ${n}`, ids(1_000, `${n}-`));
      expect(all.entries).toBeLessThanOrEqual(1_000);
    }
    expect(all.add("late", ["x"])).toBe(1);
  });
});
