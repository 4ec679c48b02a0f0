import { readdirSync, readlinkSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { WalBarrier } from "../../../sprite/storage/wal-barrier.ts";
import { newDirectory } from "./open-for-test.ts";

/** Files in `directory` that this process has open. */
function openIn(directory: string): string[] {
  const links = readdirSync("/proc/self/fd").flatMap((descriptor) => {
    try {
      return [readlinkSync(join("/proc/self/fd", descriptor))];
    } catch {
      // The descriptor of the listing itself is gone by now.
      return [];
    }
  });
  return links.filter((link) => link.startsWith(directory)).sort();
}

test.skipIf(process.platform !== "linux")(
  "the barrier follows the live logs: each is open once, none that is gone, none after closing",
  async () => {
    const directory = newDirectory();
    const barrier = new WalBarrier(directory);
    onTestFinished(() => barrier.close());
    writeFileSync(join(directory, "000001.log"), "a");
    writeFileSync(join(directory, "000001.sst"), "a");
    await barrier.sync();
    await barrier.sync();
    expect(openIn(directory)).toEqual([join(directory, "000001.log")]);
    writeFileSync(join(directory, "000002.log"), "b");
    await barrier.sync();
    expect(openIn(directory)).toEqual([join(directory, "000001.log"), join(directory, "000002.log")]);
    rmSync(join(directory, "000001.log"));
    await barrier.sync();
    expect(openIn(directory)).toEqual([join(directory, "000002.log")]);
    barrier.close();
    expect(openIn(directory)).toEqual([]);
  },
);

test.skipIf(process.platform !== "linux")(
  "a log that appears within the same step of the kernel's clock as the one before is not missed",
  async () => {
    const directory = newDirectory();
    const barrier = new WalBarrier(directory);
    onTestFinished(() => barrier.close());
    writeFileSync(join(directory, "000001.log"), "a");
    const now = new Date();
    utimesSync(directory, now, now);
    const { mtimeNs } = statSync(directory, { bigint: true });
    await barrier.sync();
    writeFileSync(join(directory, "000002.log"), "b");
    utimesSync(directory, now, now);
    expect(statSync(directory, { bigint: true }).mtimeNs).toBe(mtimeNs);
    await barrier.sync();
    expect(openIn(directory)).toEqual([join(directory, "000001.log"), join(directory, "000002.log")]);
  },
);

test.skipIf(process.platform !== "linux")(
  "a log that appears long after the one before is seen, whatever was seen until then",
  async () => {
    const directory = newDirectory();
    const barrier = new WalBarrier(directory);
    onTestFinished(() => barrier.close());
    writeFileSync(join(directory, "000001.log"), "a");
    const past = new Date(Date.now() - 60_000);
    utimesSync(directory, past, past);
    await barrier.sync();
    await barrier.sync();
    writeFileSync(join(directory, "000002.log"), "b");
    await barrier.sync();
    expect(openIn(directory)).toEqual([join(directory, "000001.log"), join(directory, "000002.log")]);
  },
);

test("a barrier that cannot see the logs fails instead of calling anything durable", async () => {
  const directory = newDirectory();
  const barrier = new WalBarrier(join(directory, "missing"));
  await expect(barrier.sync()).rejects.toThrow(/ENOENT/);
});
