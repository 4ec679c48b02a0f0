import { readFileSync } from "node:fs";
import { expect, test } from "vitest";

const root = new URL("../../", import.meta.url);
const read = (path: string) => readFileSync(new URL(path, root), "utf8");
const rows = read("docs/fly-sprites.md")
  .split("\n")
  .filter((line) => line.startsWith("| ") && line.includes("`test/"));
const tests = rows.flatMap((row) =>
  [...row.matchAll(/`(test\/[^`]+)` "([^"]+)"/g)].map(([, file = "", title = ""]) => ({ file, title })),
);

test("every row of docs/fly-sprites.md names a test", () => {
  expect(rows.length).toBeGreaterThan(30);
  for (const row of rows) expect(row).toMatch(/`test\/[^`]+` "[^"]+"/);
});

test.each(tests)("$title", ({ file, title }) => {
  expect(read(file)).toContain(`"${title}"`);
});
