import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { FORMAT_VERSION } from "../../../sprite/storage/format.ts";
import { openEngine } from "../../../sprite/storage/open-storage.ts";
import { SpriteStorage } from "../../../sprite/storage/sprite-storage.ts";
import { contentOf, idOf, storeDone } from "./content.ts";

/**
 * Writes the store of today's format that formats.test.ts opens for ever: `node test/sprite/storage/make-fixture.ts`,
 * once for each format. Afterwards fixtures are not touched.
 */
const archive = fileURLToPath(new URL(`./fixtures/format-${FORMAT_VERSION}.tar.gz`, import.meta.url));
const directory = mkdtempSync(join(tmpdir(), "storage-fixture-"));
const engine = await openEngine(directory, { writeBufferBytes: 64 * 1024 });
const storage = new SpriteStorage(engine);
for (let message = 0; message < 60; message++) {
  await storeDone(
    storage,
    contentOf({
      id: idOf(1),
      coSession: message % 12,
      after: Math.floor(message / 12) * 2,
      count: 2,
      header: true,
    }),
  );
}
for (let message = 0; message < 13; message++) {
  await storeDone(
    storage,
    contentOf({ id: idOf(2), coSession: 1, after: message, count: 1, header: true, bytes: 10_000 }),
  );
}
storage.trackCoValuesSyncState([{ id: idOf(2), peerId: "peer" as never, synced: false }]);
await engine.catalog.catchUp();
await storage.close();
for (const name of ["LOG", "LOCK", "IDENTITY"]) rmSync(join(directory, "db", name), { force: true });
mkdirSync(dirname(archive), { recursive: true });
execFileSync("tar", ["-czf", archive, "-C", directory, "db"]);
rmSync(directory, { recursive: true });
