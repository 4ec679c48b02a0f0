import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { keys } from "../../../sprite/storage/format.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { contentOf, idOf, storeDone } from "./content.ts";
import { newDirectory, openForTest } from "./open-for-test.ts";

const cli = fileURLToPath(new URL("../../../sprite/storage/cli.ts", import.meta.url));

async function run(...args: string[]) {
  try {
    const { stdout } = await promisify(execFile)(process.execPath, [cli, ...args]);
    return { code: 0, out: stdout };
  } catch (error) {
    const { code, stdout, stderr } = error as { code: number; stdout: string; stderr: string };
    return { code, out: stdout + stderr };
  }
}

test("inspect and audit read a store that is being written to, and print no content", async () => {
  const directory = newDirectory();
  const storage = await openForTest(directory);
  for (let number = 0; number < 30; number++)
    await storeDone(storage, contentOf({ id: idOf(number), coSession: 1, after: 0, count: 2 }));
  const [inspected, audited] = await Promise.all([
    run("inspect", directory),
    run("audit", directory, "--json"),
  ]);
  expect(inspected.code).toBe(0);
  expect(inspected.out).toContain("30 CoValues");
  expect(inspected.out).toContain(`${idOf(29)}  1 coSessions, 2 transactions`);
  expect(inspected.out).not.toContain("xxxx");
  expect(JSON.parse(audited.out)).toMatchObject({ covalues: 30, messages: 30, problems: [] });
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 2, count: 1 }));
});

test("audit names the CoValue whose row is not what the log says, and ends with 1", async () => {
  const directory = newDirectory();
  const engine = await openEngine(directory);
  const storage = new SpriteStorage(engine);
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 0, count: 2 }));
  await storeDone(storage, contentOf({ id: idOf(2), coSession: 1, after: 0, count: 2 }));
  await engine.journal.commit({
    blocks: [],
    puts: new Map(),
    deletes: [keys.covalue(idOf(2))],
    deletedPrefixes: [],
  });
  await storage.close();
  expect(await run("audit", directory)).toEqual({
    code: 1,
    out: expect.stringContaining(`${idOf(2)}: is in the log and has no row`),
  });
});

test("a wrong command line or a directory without a store says what is wrong, ends with 2 and makes nothing", async () => {
  expect(await run("erase", "x")).toEqual({ code: 2, out: expect.stringContaining("no command 'erase'") });
  expect(await run("--help")).toEqual({ code: 0, out: expect.stringContaining("inspect <directory>") });
  expect(await run("audit", "/nowhere/at/all")).toEqual({
    code: 2,
    out: expect.stringContaining("is not a directory"),
  });
  expect((await run("audit", newDirectory())).code).toBe(2);
});
