import { copyFile, link, mkdir, readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { SpriteSyncError } from "../../shared/errors.ts";

/** A busy store writes its manifest a few times a second, and one attempt takes a few milliseconds. */
const ATTEMPTS = 100;

/** RocksDB writes these once and never changes them, so a hard link is a copy. */
const IMMUTABLE = /\.(sst|blob)$/;
/** Appended to or replaced: they have to be copied. `LOG` and `LOCK` belong to whoever opens the copy. */
const MUTABLE = /^(CURRENT|IDENTITY|MANIFEST-\d+|OPTIONS-\d+)$/;
const WRITE_AHEAD_LOG = /\.log$/;

/** How files get into the copy: the tables, which never change, and all others. */
export interface FreezingFiles {
  readonly table: (from: string, to: string) => Promise<void>;
  readonly other: (from: string, to: string) => Promise<void>;
}
const LINKING: FreezingFiles = { table: link, other: copyFile };
export const COPYING: FreezingFiles = { table: copyFile, other: copyFile };

/**
 * Makes `into` a consistent copy of the RocksDB in `database` as it was at one moment after the call, while another
 * process may be writing to it. All that was acknowledged before the call is in it. With tables as hard links it takes
 * milliseconds and hardly any space, but only a reader may open it: a writer could truncate a table that both have.
 *
 * Why it is consistent: what RocksDB consists of changes only by a write to its manifest, and files go away only after
 * one. If manifest and write-ahead logs are the same files before and after, with the manifest's length, then every table
 * that it names was there to be linked. Else it is done again. The logs are copied last, so they are no older.
 * @throws SpriteSyncError `overloaded` when the store never stands still; the file system's errors
 */
export async function freezeFiles(
  database: string,
  into: string,
  how: FreezingFiles = LINKING,
): Promise<void> {
  for (let attempt = 0; attempt < ATTEMPTS; attempt++) {
    const before = await shapeOf(database);
    await rm(into, { recursive: true, force: true });
    await mkdir(into, { recursive: true });
    try {
      await takeOver(database, into, how);
      if ((await shapeOf(database)) === before) return;
    } catch (error) {
      // A file that went away while it was looked at: the manifest has changed as well.
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
    }
  }
  const what = `The store in ${database} changes too fast to be looked at. Try again when there is less to do.`;
  throw new SpriteSyncError("overloaded", what);
}

async function takeOver(database: string, into: string, { table, other }: FreezingFiles): Promise<void> {
  const names = await readdir(database);
  for (const name of names.filter((name) => MUTABLE.test(name)))
    await other(join(database, name), join(into, name));
  for (const name of names.filter((name) => IMMUTABLE.test(name)))
    await table(join(database, name), join(into, name));
  // Oldest first: a log that is still written to has to be the last one.
  for (const name of names.filter((name) => WRITE_AHEAD_LOG.test(name)).sort())
    await other(join(database, name), join(into, name));
}

/** Which manifest is in force, how long it is, and which write-ahead logs there are. */
async function shapeOf(database: string): Promise<string> {
  const manifest = (await readFile(join(database, "CURRENT"), "utf8")).trim();
  const { size } = await stat(join(database, manifest));
  const logs = (await readdir(database)).filter((name) => WRITE_AHEAD_LOG.test(name)).sort();
  return JSON.stringify([manifest, size, logs]);
}
