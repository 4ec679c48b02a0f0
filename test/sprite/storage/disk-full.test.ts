import { rmSync } from "node:fs";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { openStorage, type SpriteStorage } from "../../../sprite/storage/index.ts";
import { until } from "../../support/until.ts";
import { contentOf, coSessionOf, idOf, loadAll, storeDone, transactionsIn } from "./content.ts";
import { fillDisk, NO_MOUNT, smallDisk } from "./small-disk.ts";

function countsOf(storage: SpriteStorage, ids: readonly number[]): Promise<number[]> {
  return Promise.all(
    ids.map(async (number) => {
      const messages = (await loadAll(storage, idOf(number))) ?? [];
      return transactionsIn(messages, idOf(number))[coSessionOf(1)]?.length ?? 0;
    }),
  );
}

for (const durability of ["flush", "fsync"] as const) {
  test(`on a full disk (${durability}) nothing is acknowledged and all is served; with space again the waiting writes are done`, async ({
    skip,
  }) => {
    const disk = smallDisk(48);
    if (disk === undefined) return skip(NO_MOUNT);
    const directory = join(disk, "store");
    const storage = await openStorage(directory, { durability, writeBufferBytes: 1024 * 1024 });
    const done = new Set<number>();
    let stored = 0;
    const storeNext = () => {
      const number = stored++;
      const content = contentOf({ id: idOf(number), coSession: 1, after: 0, count: 5, bytes: 10_000 });
      return storeDone(storage, content, () => [content]).then(() => void done.add(number));
    };
    for (let i = 0; i < 10; i++) await storeNext();
    expect(storage.state.kind).toBe("ok");

    const ballast = fillDisk(disk);
    const waiting: Promise<void>[] = [];
    await until(
      () => {
        // RocksDB has some room in the log that it preallocated.
        if (storage.state.kind === "ok") waiting.push(storeNext());
        return storage.state.kind === "failed";
      },
      { what: "the storage noticing that the disk is full" },
    );
    const acknowledged = [...done];
    const refused = Array.from({ length: 20 }, () => storeNext());
    expect(await countsOf(storage, acknowledged)).toEqual(acknowledged.map(() => 5));
    expect(done.size).toBe(acknowledged.length);
    expect(String(storage.state.kind === "failed" && storage.state.error)).toMatch(
      /The disk does not take writes/,
    );

    rmSync(ballast);
    await Promise.all([...waiting, ...refused]);
    expect(storage.state.kind).toBe("ok");
    await storage.close();

    const reopened = await openStorage(directory);
    onTestFinished(() => reopened.close());
    expect(await countsOf(reopened, [...done])).toEqual([...done].map(() => 5));
    expect(done.size).toBe(stored);
  });
}
