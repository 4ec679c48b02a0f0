import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { startTestStack } from "../support/test-stack.ts";

test("a second stack on the same data is refused, and the first goes on; afterwards the data is free", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "sprite-sync-lock-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const first = await startTestStack({ dataDir });
  await expect(startTestStack({ dataDir })).rejects.toThrow(/another stack runs on/);
  expect((await fetch(`${first.pageUrl}health`)).status).toBe(200);
  await first.close();
  const second = await startTestStack({ dataDir });
  await second.close();
});

test("a port that is taken is named, before anything is started", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void other.close());
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as { port: number };
  await expect(startTestStack({ port })).rejects.toThrow(new RegExp(`port ${port} is taken.*--port`));
});
