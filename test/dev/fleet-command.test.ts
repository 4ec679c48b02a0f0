import { execFile } from "node:child_process";
import { mkdtemp, rm, stat } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { PLATFORMS } from "../../dev/platforms.ts";
import { startClient } from "../support/client.ts";
import { startTestStack } from "../support/test-stack.ts";

const run = promisify(execFile);
const cli = fileURLToPath(new URL("../../ops/fleet/main.ts", import.meta.url));

test.each(PLATFORMS)(
  "npm run fleet -- --dev works on the stack that runs on this computer, with %s",
  async (platform) => {
    const dataDir = await mkdtemp(join(tmpdir(), "sprite-sync-fleet-"));
    onTestFinished(() => rm(dataDir, { recursive: true, force: true, maxRetries: 10 }));
    const fleet = (...args: string[]) =>
      run(process.execPath, [cli, "--dev", "--data", dataDir, ...args], {
        env: { PATH: process.env.PATH ?? "" },
      });
    const noStack = { code: 1, stderr: expect.stringMatching(/^no stack runs on .*npm run dev/) };
    await expect(fleet("list")).rejects.toMatchObject(noStack);

    const stack = await startTestStack({ dataDir, platform });
    try {
      const client = await startClient(stack.syncUrl);
      const group = client.node.createGroup();
      group.createMap().set("colour", "blue", "trusting");
      await client.synced();
      await client.close();
      const listed = JSON.parse((await fleet("list", "--json")).stdout) as { home: string }[];
      expect(listed.map(({ home }) => home)).toContain(group.id);
      // It asks the edge, too, with the key that only this stack has.
      expect((await fleet("reindex")).stdout).toMatch(/of 3 groups are in the directory/);
      // Keys are for their owner's eyes only.
      expect((await stat(join(dataDir, "edge-settings.json"))).mode & 0o077).toBe(0);
    } finally {
      await stack.close();
    }
    await expect(fleet("list")).rejects.toMatchObject(noStack);
  },
);
