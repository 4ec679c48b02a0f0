import { mkdtemp, readFile, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import type { GroupId } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { startClient } from "../support/client.ts";
import { startTestStack, TEST_FLEET, type TestStack } from "../support/test-stack.ts";

const GROUPS = 16;

async function newDataDir(): Promise<string> {
  const dataDir = await mkdtemp(join(tmpdir(), "sprite-sync-restart-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }));
  return dataDir;
}

/** Groups with two maps each, whose Sprites sleep when the stack ends in good order. */
async function writeAndSleep(dataDir: string): Promise<{ maps: string[]; sprites: string[] }> {
  const stack = await startTestStack({ dataDir, sleepAfter: 1 });
  try {
    const writer = await startClient(stack.syncUrl);
    const groups = Array.from({ length: GROUPS }, () => writer.node.createGroup());
    const maps = groups.flatMap((group) => {
      group.addMember("everyone", "reader");
      return [group.createMap({ n: 1 }).id, group.createMap({ n: 2 }).id];
    });
    await writer.synced();
    await writer.close();
    await stack.allAsleep({ timeoutMs: 60_000 });
    return { maps, sprites: groups.map(({ id }) => spriteNameOf(id as string as GroupId)) };
  } finally {
    await stack.close();
  }
}

/** How the next run reads all of it with one new client. */
async function readAll(stack: TestStack, maps: readonly string[]): Promise<number> {
  const reader = await startClient(stack.syncUrl);
  const begun = performance.now();
  const loaded = await Promise.all(maps.map((id) => reader.load(id)));
  const ms = Math.round(performance.now() - begun);
  if (process.env.TEST_LOG) console.log(`${maps.length} maps were read in ${ms} ms`);
  await reader.close();
  return loaded.filter((map) => typeof map.get("n") === "number").length;
}

const failuresIn = ({ lines }: TestStack) => lines.filter((line) => /attach failed|could not/.test(line));

test("after a restart every sleeping group is reached at the first attempt, and woken once", async () => {
  const dataDir = await newDataDir();
  const { maps, sprites } = await writeAndSleep(dataDir);
  const stack = await startTestStack({ dataDir });
  onTestFinished(() => stack.close());
  expect(await readAll(stack, maps)).toBe(maps.length);
  expect(failuresIn(stack)).toEqual([]);
  for (const sprite of sprites) {
    const starts = stack.lines.filter((line) => line.startsWith(`machine ${sprite} started`));
    expect(starts).toHaveLength(1);
  }
});

test.skipIf(TEST_FLEET === "sprites")(
  "an address that edges keep of an earlier run, and that leads to somebody else now, is not dialled",
  async () => {
    const dataDir = await newDataDir();
    const { maps } = await writeAndSleep(dataDir);
    let visits = 0;
    const stranger = createServer((socket) => {
      visits++;
      socket.destroy();
    });
    const port = Number(await readFile(join(dataDir, "fleet-port"), "utf8"));
    await new Promise<void>((resolve) => stranger.listen(port, "127.0.0.1", resolve));
    onTestFinished(() => void stranger.close());
    const stack = await startTestStack({ dataDir });
    onTestFinished(() => stack.close());
    expect(await readAll(stack, maps)).toBe(maps.length);
    expect(visits).toBe(0);
    expect(failuresIn(stack)).toEqual([]);
  },
);
