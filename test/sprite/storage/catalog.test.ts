import Corestore from "corestore";
import Hyperbee from "hyperbee";
import HypercoreStorage from "hypercore-storage";
import { expect, test } from "vitest";
import { CATALOG_CORE } from "../../../sprite/storage/format.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { until } from "../../support/until.ts";
import { contentOf, coSessionOf, idOf, storeDone } from "./content.ts";
import { newDirectory } from "./open-for-test.ts";

async function fill(storage: SpriteStorage, from: number, to: number): Promise<void> {
  const numbers = Array.from({ length: to - from }, (_, index) => from + index);
  await Promise.all(
    numbers.map((number) =>
      storeDone(storage, contentOf({ id: idOf(number), coSession: 1, after: 0, count: 2 })),
    ),
  );
}

test("the catalog catches up by itself once it is quiet, and any Hyperbee reader finds every CoValue in it", async () => {
  const directory = newDirectory();
  const engine = await openEngine(directory);
  const storage = new SpriteStorage(engine);
  await fill(storage, 0, 1_200);
  await until(async () => (await engine.catalog.lag()) === 0, { what: "the catalog being up to date" });
  await storage.close();

  const store = new Corestore(new HypercoreStorage(directory, { allowBackup: true }));
  const bee = new Hyperbee(store.get({ name: CATALOG_CORE }), {
    keyEncoding: "utf-8",
    valueEncoding: "json",
  });
  const found: unknown[] = [];
  for await (const { key, value } of bee.createReadStream({ gt: "!position" })) found.push([key, value]);
  await store.close();
  expect(found).toHaveLength(1_200);
  expect(found).toContainEqual([
    idOf(7),
    {
      id: idOf(7),
      header: contentOf({ id: idOf(7), coSession: 1, after: 0, count: 1 }).header,
      sessions: { [coSessionOf(1)]: 2 },
      ordinal: 7,
      erased: false,
    },
  ]);
});

test("a catalog that was behind when the process ended goes on from its last checkpoint", async () => {
  const directory = newDirectory();
  const first = await openEngine(directory);
  await fill(new SpriteStorage(first), 0, 20);
  await first.catalog.catchUp();
  await fill(new SpriteStorage(first), 20, 30);
  await first.close();

  const second = await openEngine(directory);
  const storage = new SpriteStorage(second);
  expect(await second.catalog.lag()).toBe(10);
  await storeDone(storage, contentOf({ id: idOf(3), coSession: 2, after: 0, count: 1, header: false }));
  await second.catalog.catchUp();
  const entries = [];
  for await (const entry of second.catalog.entries()) entries.push(entry);
  expect(entries.map(({ id }) => id)).toEqual(Array.from({ length: 30 }, (_, number) => idOf(number)).sort());
  expect(entries.find(({ id }) => id === idOf(3))?.sessions).toEqual({
    [coSessionOf(1)]: 2,
    [coSessionOf(2)]: 1,
  });
  await storage.close();
});

test("a CoValue that changes for ever does not make the catalog grow for ever", async () => {
  const engine = await openEngine(newDirectory());
  const storage = new SpriteStorage(engine);
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 0, count: 1 }));
  for (let after = 1; after < 700; after++) {
    await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after, count: 1, header: false }));
    await engine.catalog.catchUp();
  }
  const core = engine.journal.store.get({ name: CATALOG_CORE });
  await core.ready();
  let kept = 0;
  for (let seq = 0; seq < core.length; seq++) if ((await core.get(seq, { wait: false })) !== null) kept++;
  expect(core.length).toBeGreaterThan(1_300);
  expect(kept).toBeLessThan(900);
  await storage.close();
});
