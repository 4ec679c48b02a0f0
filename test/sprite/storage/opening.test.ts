import { cpSync, existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { FORMAT_VERSION, keys } from "../../../sprite/storage/format.ts";
import { openStorage } from "../../../sprite/storage/index.ts";
import { Journal } from "../../../sprite/storage/journal.ts";
import { contentOf, idOf, loadAll, storeDone } from "./content.ts";
import { newDirectory, openForTest } from "./open-for-test.ts";

async function storeWith(directory: string): Promise<void> {
  const storage = await openStorage(directory);
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 0, count: 3 }));
  await storage.close();
}

test("a store that is open elsewhere is refused with what to do, and the other one goes on", async () => {
  const directory = newDirectory();
  const storage = await openForTest(directory);
  await expect(openStorage(directory)).rejects.toThrow(/open in another process. Stop that process/);
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 0, count: 1 }));
});

test("a store of a newer format is refused with what to do, and is left as it was", async () => {
  const directory = newDirectory();
  await storeWith(directory);
  const journal = await Journal.open(directory, { durability: "flush", writeBufferBytes: 1 << 20 });
  const format = (version: number) => new Map([[keys.format, Buffer.from(JSON.stringify({ version }))]]);
  const change = { blocks: [], deletes: [], deletedPrefixes: [] };
  await journal.commit({ ...change, puts: format(FORMAT_VERSION + 1) });
  await journal.close();
  const refusal = new RegExp(
    `format ${FORMAT_VERSION + 1}; .*up to ${FORMAT_VERSION}. Start a newer version`,
  );
  await expect(openStorage(directory)).rejects.toThrow(refusal);

  const again = await Journal.open(directory, { durability: "flush", writeBufferBytes: 1 << 20 });
  await again.commit({ ...change, puts: format(FORMAT_VERSION) });
  await again.close();
  expect(await loadAll(await openForTest(directory), idOf(1))).toHaveLength(1);
});

test("a copy of the directory opens as the same store", async () => {
  const directory = newDirectory();
  await storeWith(directory);
  const copy = join(newDirectory(), "copy");
  cpSync(directory, copy, { recursive: true });
  expect(await loadAll(await openForTest(copy), idOf(1))).toHaveLength(1);
});

test("old info logs of RocksDB are gone after an opening", async () => {
  const directory = newDirectory();
  await storeWith(directory);
  writeFileSync(join(directory, "db", "LOG.old.123"), "old");
  await storeWith(directory);
  expect(existsSync(join(directory, "db", "LOG.old.123"))).toBe(false);
  expect(
    readdirSync(join(directory, "db")).filter((name) => name.startsWith("LOG.old.")).length,
  ).toBeLessThan(2);
});

test("a store that RocksDB marked as recovering takes writes, instead of waiting for peers for ever", async () => {
  const directory = newDirectory();
  await storeWith(directory);
  writeFileSync(join(directory, "db", "RECOVERING"), "");
  const storage = await openForTest(directory);
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 3, count: 1 }));
  expect(await loadAll(storage, idOf(1))).toHaveLength(1);
});

test("a durability that does not exist is refused by name", async () => {
  // @ts-expect-error - a configuration is text
  await expect(openStorage(newDirectory(), { durability: "maybe" })).rejects.toThrow(
    /"maybe": use "flush" or "fsync"/,
  );
});
