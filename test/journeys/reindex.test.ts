import { execFile } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { startClient } from "../support/client.ts";
import { startTestStack } from "../support/test-stack.ts";

const run = promisify(execFile);
const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const cli = fileURLToPath(new URL("../../ops/fleet/main.ts", import.meta.url));

test("a directory that was lost is rebuilt from the Sprites: everything is found again, where it was", {
  timeout: 90_000,
}, async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "sprite-reindex-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 }));
  const before = await startTestStack({ dataDir, sleepAfter: 1 });
  const author = await startClient(before.syncUrl, { name: "author" });
  const groups = [author.node.createGroup(), author.node.createGroup()];
  const [, parent] = groups;
  for (const group of groups) group.addMember("everyone", "reader");
  const child = author.node.createGroup();
  if (parent) child.extend(parent);
  const maps = [...groups, child].map((group, n) => group.createMap({ n }));
  await author.synced();
  await author.close();
  const sprites = before.fleet.machines().map(({ name }) => name);
  await before.close();

  const objects = join(dataDir, "edge", "durable-objects");
  const lost = (await readdir(objects)).filter((name) => name.includes("DirectoryShard"));
  expect(lost).not.toEqual([]);
  for (const name of lost) await rm(join(objects, name), { recursive: true });
  const after = await startTestStack({ dataDir, sleepAfter: 1 });
  onTestFinished(() => after.close());
  const reader = async () => {
    const started = await startClient(after.syncUrl, { name: "reader" });
    onTestFinished(() => started.close());
    return started;
  };
  const early = await reader();
  await expect(early.load(maps[0]?.id ?? "")).rejects.toThrow(/unavailable/);

  const env = { PATH: process.env.PATH ?? "", ...after.edgeSettings };
  const told = JSON.parse((await run(node, [cli, "reindex", "--json"], { env })).stdout) as {
    home: string;
    here: number;
    elsewhere: string[];
  }[];
  expect(told.map(({ elsewhere }) => elsewhere)).toEqual(told.map(() => []));
  const hereIn = (home = "") => told.find((outcome) => outcome.home === home)?.here;
  // The group and its map; the parent with both its own map and the child's.
  expect([hereIn(groups[0]?.id), hereIn(parent?.id)]).toEqual([2, 4]);
  const late = await reader();
  for (const [n, map] of maps.entries()) expect((await late.load(map.id)).get("n")).toBe(n);
  // Nothing was made anew: what lived somewhere lives there still. The readers' own accounts are all that came.
  const now = after.fleet.machines().map(({ name }) => name);
  expect(now.filter((name) => sprites.includes(name)).toSorted()).toEqual(sprites.toSorted());
  expect(now).toHaveLength(sprites.length + 2 * 2);
});
