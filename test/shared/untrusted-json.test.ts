import { readdir, readFile } from "node:fs/promises";
import { expect, test } from "vitest";

/**
 * Files that call `JSON.parse` themselves, on what we wrote or what our own platform answered. What clients and Sprites send
 * goes through `shared/parse-json.ts`, which bounds it. `shared/messages.ts` parses pieces whose length it has checked.
 */
const TRUSTED = [
  /^shared\/(?:parse-json|messages|digest)\.ts$/,
  /^edge\/(?:wants|awake-message|directory-shard|creation-proof)\.ts$/,
  /^edge\/fleet\//,
  /^sprite\/(?:storage|bundle)\//,
  /^sprite\/(?:backups|quota)\.ts$/,
];

test("JSON that others wrote is parsed in one place, which bounds it", async () => {
  const root = new URL("../../", import.meta.url);
  const names = ["edge", "sprite", "shared"].map(async (directory) => {
    const files = await readdir(new URL(directory, root), { recursive: true });
    return files.filter((file) => file.endsWith(".ts")).map((file) => `${directory}/${file}`);
  });
  const files = (await Promise.all(names)).flat();
  const parsing = [];
  for (const file of files) {
    const text = await readFile(new URL(file, root), "utf8");
    if (/JSON\.parse\(/.test(text)) parsing.push(file);
  }
  expect(parsing).toContain("shared/parse-json.ts");
  expect(parsing.filter((file) => !TRUSTED.some((trusted) => trusted.test(file)))).toEqual([]);
});
