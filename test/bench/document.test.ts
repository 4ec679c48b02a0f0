import { readFile } from "node:fs/promises";
import { describe, expect, test } from "vitest";
import { replaceSection } from "../../bench/document.ts";
import { SECTIONS } from "../../bench/options.ts";
import { formatMs, formatRatio, toMarkdown } from "../../bench/table.ts";

describe("the page of benchmarks", () => {
  test("has a place for each section", async () => {
    const page = await readFile(new URL("../../docs/benchmarks.md", import.meta.url), "utf8");
    for (const name of SECTIONS) expect(replaceSection(page, name, "new figures")).toContain("new figures");
  });

  test("keeps everything but the section that is replaced, and can be replaced again", () => {
    const page =
      "a\n<!-- bench:edge -->\nold\n<!-- /bench:edge -->\nb\n<!-- bench:wake -->\n<!-- /bench:wake -->\n";
    const once = replaceSection(page, "edge", "new");
    expect(once).not.toContain("old");
    expect(once).toMatch(/^a\n<!-- bench:edge -->\s+new\s+<!-- \/bench:edge -->\nb\n<!-- bench:wake -->/);
    expect(replaceSection(once, "edge", "new")).toBe(once);
    expect(() => replaceSection(page, "sync", "new")).toThrow(/sync/);
  });

  test("shows tables whose columns line up", () => {
    const text = toMarkdown({
      title: "t",
      columns: ["", "ms"],
      rows: [
        ["edge", "1"],
        ["x", "1000"],
      ],
    });
    const lines = text.split("\n").slice(2);
    expect(lines).toEqual(["|      |   ms |", "| ---- | ---: |", "| edge |    1 |", "| x    | 1000 |"]);
  });

  test("shows times with the digits that mean something, and ratios with their range", () => {
    expect([0.0421, 1.234, 56.78, 456.7].map(formatMs)).toEqual(["42 µs", "1.23 ms", "56.8 ms", "457 ms"]);
    expect(formatRatio({ median: 1.149, low: 1, high: 2.5 })).toBe("1.15 (1.00–2.50)");
  });
});
