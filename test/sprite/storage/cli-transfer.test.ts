import { execFile } from "node:child_process";
import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { gzipSync } from "node:zlib";
import { expect, test } from "vitest";
import { Progress, progressLine } from "../../../sprite/storage/progress.ts";
import { openSqliteStorage } from "../../support/sqlite-storage.ts";
import { newDirectory, openForTest } from "./open-for-test.ts";
import { contentsOf, fillSample, makeSampleStore } from "./sample-store.ts";

const cli = fileURLToPath(new URL("../../../sprite/storage/cli.ts", import.meta.url));

async function run(...args: string[]) {
  try {
    const { stdout, stderr } = await promisify(execFile)(process.execPath, [cli, ...args]);
    return { code: 0, out: stdout, errors: stderr };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout, errors: stderr };
  }
}

test("a live store is exported, the export imported twice, and both commands say what they did", async () => {
  const directory = newDirectory();
  const storage = await openForTest(directory);
  const { node } = await fillSample(storage);
  const file = join(newDirectory(), "export.gz");
  const exported = await run("export", directory, file, "--json");
  expect(exported).toMatchObject({ code: 0, errors: "" });
  await node.gracefulShutdown();
  await storage.close();

  const target = join(newDirectory(), "new");
  const { covalues, transactions } = JSON.parse(exported.out) as { covalues: number; transactions: number };
  expect(await run("import", target, file)).toMatchObject({
    code: 0,
    errors: "",
    out: expect.stringContaining(`${covalues} new CoValues, ${transactions} new transactions`),
  });
  expect((await run("import", target, file)).out).toContain("0 new CoValues, 0 new transactions");
  expect(await contentsOf(target)).toEqual(await contentsOf(directory));
  expect(await run("audit", target)).toMatchObject({ code: 0, out: expect.stringContaining("sound") });
});

test("another store and a SQLite database are imported, and the store is compacted", async () => {
  const [directory, target] = [newDirectory(), newDirectory()];
  await makeSampleStore(directory);
  expect(await run("import", target, "--store", directory)).toMatchObject({ code: 0 });
  const path = join(newDirectory(), "jazz.sqlite");
  const sqlite = openSqliteStorage({ sqlite: path });
  const { node, map } = await fillSample(sqlite.storage);
  await node.gracefulShutdown();
  sqlite.close();
  expect(await run("import", target, "--sqlite", path)).toMatchObject({ code: 0 });
  expect(await run("compact", target, "--json")).toMatchObject({ code: 0 });
  const contents = await contentsOf(target);
  expect(contents).toMatchObject(await contentsOf(directory));
  expect(contents).toHaveProperty(map.id);
});

test("an import that leaves something out names it and ends with 1", async () => {
  const file = join(newDirectory(), "made.gz");
  const lines = [
    { format: "sprite-sync-export", version: 1, covalues: 1 },
    { action: "content", id: "secret" },
  ];
  writeFileSync(file, gzipSync(lines.map((line) => JSON.stringify(line)).join("\n")));
  const result = await run("import", newDirectory(), file);
  expect(result.code).toBe(1);
  expect(result.errors).toMatch(/^line 2 is no content message \(id\)\nthe file was cut off after line 2\n$/);
  expect(result.out).toContain("2 refused or missing");
});

// Each of these is a process of its own.
test("a wrong command line, an open store or a missing source end with 2 and change nothing", async () => {
  const target = join(newDirectory(), "new");
  const wrong = [
    ["import", target],
    ["import", target, "/nowhere.gz"],
    ["import", target, "--sqlite", "/nowhere.sqlite"],
    ["import", target, "--store", "/nowhere"],
    ["import", target, "a.gz", "--store", "/nowhere"],
    ["export", target],
    ["export", "/nowhere", "x.gz"],
    ["export", target, "x.gz", "y.gz"],
    ["compact", target],
    ["compact", target, "--unknown"],
  ];
  for (const args of wrong) expect(await run(...args), args.join(" ")).toMatchObject({ code: 2, out: "" });
  expect(existsSync(target)).toBe(false);

  const directory = newDirectory();
  await makeSampleStore(directory);
  const file = join(newDirectory(), "export.gz");
  await run("export", directory, file);
  await openForTest(directory);
  for (const args of [
    ["import", directory, file],
    ["compact", directory],
  ]) {
    expect(await run(...args)).toMatchObject({
      code: 2,
      errors: expect.stringContaining("open in another process. Stop that process"),
    });
  }
}, 60_000);

test("progress is drawn on a terminal only, and never shows more than all", () => {
  expect(progressLine(0, 100)).toBe(`${"░".repeat(24)} 0 % 0 of 100 CoValues`);
  expect(progressLine(50, 100)).toContain("50 % 50 of 100");
  expect(progressLine(120, 100)).toBe(`${"█".repeat(24)} 100 % 120 of 120 CoValues`);
  expect(progressLine(0, 0)).toContain("100 %");
  const written: string[] = [];
  const terminal = (isTTY: boolean) =>
    ({
      isTTY,
      write: (text: string) => written.push(text) > 0,
      clearLine: () => true,
      cursorTo: () => true,
    }) as unknown as ConstructorParameters<typeof Progress>[0];
  new Progress(terminal(false)).show(1, 2);
  expect(written).toEqual([]);
  const bar = new Progress(terminal(true));
  bar.show(1, 2);
  bar.show(2, 2);
  expect(written).toEqual([progressLine(1, 2)]);
});
