import { execFile } from "node:child_process";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, test } from "vitest";
import { contentOf, coSessionOf, idOf, loadAll, storeDone, transactionsIn } from "./content.ts";
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

test("a live store is backed up twice, the backups are listed, and each of them is restored", async () => {
  const directory = newDirectory();
  const place = join(newDirectory(), "backups");
  const storage = await openForTest(directory);
  const at: string[] = [];
  for (const after of [0, 3]) {
    await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after, count: 3 }));
    const { code, out } = await run("backup", directory, place, "--json");
    expect(code, out).toBe(0);
    at.push((JSON.parse(out) as { at: string }).at);
  }
  expect(await run("backup", directory, place)).toEqual({
    code: 0,
    out: expect.stringContaining(`nothing is new since the backup of ${at[1]}`),
  });
  const listed = JSON.parse((await run("backups", place, "--json")).out) as { at: string }[];
  expect(listed.map((backup) => backup.at)).toEqual(at);

  for (const [index, time] of at.entries()) {
    const restored = join(newDirectory(), "restored");
    expect((await run("restore", place, restored, "--at", time)).code).toBe(0);
    const copy = await openForTest(restored);
    const messages = (await loadAll(copy, idOf(1))) ?? [];
    expect(transactionsIn(messages, idOf(1))[coSessionOf(1)]).toHaveLength((index + 1) * 3);
  }
  expect(await run("restore", place, directory)).toEqual({
    code: 2,
    out: expect.stringContaining(directory),
  });
  const early = await run("restore", place, join(newDirectory(), "none"), "--at", "2001-01-01T00:00:00Z");
  expect(early.code).toBe(2);
});
