import { execFileSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { auditStore } from "../../../sprite/storage/audit.ts";
import { FORMAT_VERSION } from "../../../sprite/storage/format.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import {
  contentOf,
  coSessionOf,
  idOf,
  loadAll,
  storeDone,
  transactionOf,
  transactionsIn,
} from "./content.ts";
import { newDirectory } from "./open-for-test.ts";

const fixtures = fileURLToPath(new URL("./fixtures", import.meta.url));
const archives = readdirSync(fixtures).sort();

test("there is a store of every format that was ever written", () => {
  const expected = Array.from({ length: FORMAT_VERSION }, (_, index) => `format-${index + 1}.tar.gz`);
  expect(archives).toEqual(expected);
});

for (const archive of archives) {
  test(`a store of ${archive} opens, is whole, and takes new content`, async () => {
    const directory = newDirectory();
    execFileSync("tar", ["-xzf", `${fixtures}/${archive}`, "-C", directory]);
    const engine = await openEngine(directory);
    const storage = new SpriteStorage(engine);
    onTestFinished(() => storage.close());
    const small = transactionsIn((await loadAll(storage, idOf(1))) ?? [], idOf(1));
    expect(Object.keys(small)).toHaveLength(12);
    for (const [coSession, texts] of Object.entries(small)) {
      expect(texts).toEqual(
        Array.from({ length: 10 }, (_, index) => JSON.stringify(transactionOf(index, coSession))),
      );
    }
    const streamed = (await loadAll(storage, idOf(2))) ?? [];
    expect(streamed.length).toBeGreaterThan(1);
    expect(transactionsIn(streamed, idOf(2))[coSessionOf(1)]).toHaveLength(13);
    expect(await new Promise((resolve) => storage.getUnsyncedCoValueIDs(resolve))).toEqual([idOf(2)]);
    await storeDone(storage, contentOf({ id: idOf(1), coSession: 3, after: 10, count: 1, header: false }));
    expect((await auditStore(engine.journal, engine.rowStore)).problems).toEqual([]);
  });
}
