import { execFile } from "node:child_process";
import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { createGzip } from "node:zlib";
import { expect, test } from "vitest";
import { exportEnd, exportHead } from "../../../sprite/storage/export-format.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { madeUp } from "../../support/large-store.ts";
import { contentOf, idOf, loadAll, storeDone } from "./content.ts";
import { newDirectory, openForTest } from "./open-for-test.ts";

const CLI = fileURLToPath(new URL("../../../sprite/storage/cli.ts", import.meta.url));

/** An export of this many CoValues, written as a stream: its text would take more than the heap that reads it. */
async function writeExport(file: string, covalues: number): Promise<void> {
  function* lines() {
    yield `${JSON.stringify(exportHead(covalues))}\n`;
    for (let number = 0; number < covalues; number++) yield `${JSON.stringify(madeUp(number))}\n`;
    const counts = { covalues, messages: covalues, transactions: covalues, damaged: [] };
    yield `${JSON.stringify(exportEnd(counts))}\n`;
  }
  await pipeline(Readable.from(lines()), createGzip({ level: 1 }), createWriteStream(file));
}

test("an import takes no more memory for more CoValues: 30,000 with a heap of 40 MB", {
  timeout: 300_000,
}, async () => {
  const covalues = 30_000;
  const file = join(newDirectory(), "export.gz");
  await writeExport(file, covalues);
  // With the young generation that V8 gives itself on a machine this small; this one's would not fit into the heap.
  const heap = ["--max-old-space-size=40", "--max-semi-space-size=2"];
  const args = [...heap, CLI, "import", join(newDirectory(), "new"), file, "--json"];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  expect(JSON.parse(stdout)).toMatchObject({ newCoValues: covalues, newTransactions: covalues, refused: 0 });
});

test("a store works with RocksDB bound to little: no block cache, few files, one background thread", async () => {
  const directory = newDirectory();
  const little = { blockCache: false, maxOpenFiles: 8, maxBackgroundJobs: 1, writeBufferBytes: 64 * 1024 };
  const engine = await openEngine(directory, { ...little, rowCacheBytes: 2_000 });
  const storage = new SpriteStorage(engine);
  const numbers = Array.from({ length: 100 }, (_, number) => number);
  for (const number of numbers) {
    await storeDone(storage, contentOf({ id: idOf(number), coSession: 1, after: 0, count: 2, bytes: 3_000 }));
    if (number % 10 === 0) await engine.journal.flushTables();
  }
  for (const number of numbers) expect(await loadAll(storage, idOf(number))).toHaveLength(1);
  await storage.close();
  // The bounds leave no trace in the store.
  const again = await openForTest(directory);
  for (const number of numbers) expect(await loadAll(again, idOf(number))).toHaveLength(1);
});
