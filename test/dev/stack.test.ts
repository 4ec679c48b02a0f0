import { existsSync } from "node:fs";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { buildDemo } from "../../demo/build.ts";
import { startTestStack } from "../support/test-stack.ts";

test("a second stack on the same data is refused, and the first goes on; afterwards the data is free", async () => {
  const dataDir = await mkdtemp(join(tmpdir(), "sprite-sync-lock-"));
  onTestFinished(() => rm(dataDir, { recursive: true, force: true }));
  const first = await startTestStack({ dataDir });
  await expect(startTestStack({ dataDir })).rejects.toThrow(
    new RegExp(`another stack runs on .*, process ${process.pid};`),
  );
  expect((await fetch(`${first.pageUrl}health`)).status).toBe(200);
  await first.close();
  const second = await startTestStack({ dataDir });
  await second.close();
});

test("a stack serves its page on while others build into the folder that it came from", async () => {
  const demoDir = await mkdtemp(join(tmpdir(), "sprite-sync-page-"));
  onTestFinished(() => rm(demoDir, { recursive: true, force: true }));
  await buildDemo(demoDir);
  const stack = await startTestStack({ demoDir });
  onTestFinished(() => stack.close());
  const page = async () => {
    const response = await fetch(stack.pageUrl);
    expect(response.status).toBe(200);
    const text = await response.text();
    const assets = [...text.matchAll(/assets\/[\w.-]+/g)].map(([asset]) => asset);
    expect(assets).toHaveLength(2);
    for (const asset of assets) expect((await fetch(`${stack.pageUrl}${asset}`)).status).toBe(200);
    return text;
  };
  const before = await page();
  await buildDemo(demoDir);
  expect(await page()).toBe(before);
  await rm(demoDir, { recursive: true, force: true });
  expect(await page()).toBe(before);
});

test("a build of the demo page takes away nothing that another one has just made", async () => {
  const demoDir = await mkdtemp(join(tmpdir(), "sprite-sync-page-"));
  onTestFinished(() => rm(demoDir, { recursive: true, force: true }));
  await buildDemo(demoDir);
  const [earlier, old] = [join(demoDir, "assets/app-EARLIER1.js"), join(demoDir, "assets/app-OLD12345.js")];
  for (const file of [earlier, old]) await writeFile(file, "// of another version");
  await utimes(old, 0, 0);
  await buildDemo(demoDir);
  expect([existsSync(earlier), existsSync(old)]).toEqual([true, false]);
  expect((await readdir(demoDir)).toSorted()).toEqual(["assets", "index.html"]);
});

test("a port that is taken is named, before anything is started", async () => {
  const other = createServer().listen(0, "127.0.0.1");
  onTestFinished(() => void other.close());
  await new Promise((resolve) => other.once("listening", resolve));
  const { port } = other.address() as { port: number };
  await expect(startTestStack({ port })).rejects.toThrow(
    new RegExp(`port ${port} is taken; end process ${process.pid} \\(.*--port`),
  );
});
