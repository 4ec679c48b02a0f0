import {
  closeSync,
  createReadStream,
  createWriteStream,
  fstatSync,
  linkSync,
  openSync,
  readdirSync,
  readFileSync,
} from "node:fs";
import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { setTimeout as sleep } from "node:timers/promises";
import { SpriteSyncError } from "../../shared/errors.ts";

/** One attempt takes a few milliseconds, and only a table or log that goes away in them makes another one necessary. */
const PATIENCE_MS = 60_000;
const LONGEST_PAUSE_MS = 100;

/** RocksDB writes these once and never changes them, so a hard link is a copy. */
const TABLE = /\.(sst|blob)$/;
/** Appended to: they have to be copied. `LOG` and `LOCK` belong to whoever opens the copy, `OPTIONS` are written anew. */
const WRITE_AHEAD_LOG = /\.log$/;
/** Replaced as a whole, and the same for ever. */
const IDENTITY = "IDENTITY";

/**
 * What is done to the store's files. Without waiting for anything: between two of these calls a writer in another
 * process gets no more than some microseconds.
 */
export interface FreezingSteps {
  list(database: string): string[] | Promise<string[]>;
  link(from: string, to: string): void | Promise<void>;
  /** @returns a descriptor, which keeps what the file holds when its name goes away */
  open(path: string): number | Promise<number>;
  pause(ms: number): Promise<unknown>;
  /** Milliseconds that only grow. */
  now(): number;
}

export const STEPS: FreezingSteps = {
  list: (database) => readdirSync(database),
  link: linkSync,
  open: (path) => openSync(path, "r"),
  pause: (ms) => sleep(ms),
  now: () => performance.now(),
};

export interface FreezeOptions {
  /**
   * Whether tables become hard links, which takes milliseconds and hardly any space. Then only a reader may open the
   * copy: a writer could truncate a table that both have. Else they are copied.
   */
  readonly links?: boolean;
  readonly steps?: FreezingSteps;
}

/**
 * Makes `into` a consistent copy of the RocksDB in `database` as it was at one moment after the call, while another
 * process may be writing to it. All that was acknowledged before the call is in it.
 *
 * Why it is consistent:
 * 1. What RocksDB consists of changes only by a write at the end of its manifest. New tables are there before that write,
 *    and what has become obsolete goes away after it.
 * 2. If the manifest is as long before the directory is listed as after it, every table and log of the version that the
 *    manifest describes up to there is in the list.
 * 3. Each file of the list is then held (linked or opened), so that it may lose its name; and of the manifest only what
 *    was there in 2 is copied. What is written meanwhile therefore does not matter.
 * 4. Of the logs, only the newest in the list can still grow; what comes after it is not copied. So the logs are a
 *    beginning of what was written, however late they are read, and all that was acknowledged before is in it.
 *
 * Only a file that goes away between listing and holding makes another attempt necessary.
 * @throws SpriteSyncError `overloaded` when that goes on for a minute; the file system's errors
 */
export async function freezeFiles(
  database: string,
  into: string,
  { links = true, steps = STEPS }: FreezeOptions = {},
): Promise<void> {
  const deadline = steps.now() + PATIENCE_MS;
  for (let pause = 1; ; pause = Math.min(2 * pause, LONGEST_PAUSE_MS)) {
    await rm(into, { recursive: true, force: true });
    await mkdir(into, { recursive: true });
    const held = new HeldFiles();
    try {
      if (await hold(held, database, into, links, steps)) return await held.copyTo(into);
    } finally {
      held.release();
    }
    if (steps.now() > deadline) break;
    await steps.pause(pause);
  }
  const what = `The store in ${database} changes too fast to be looked at. Try again when there is less to do.`;
  throw new SpriteSyncError("overloaded", what);
}

/** Descriptors of files that are to be copied. */
class HeldFiles {
  readonly #files = new Map<string, { readonly descriptor: number; readonly bytes: number }>();

  /** @param bytes of it that are wanted */
  add(name: string, descriptor: number, bytes = Number.POSITIVE_INFINITY): void {
    this.#files.set(name, { descriptor, bytes });
  }

  async copyTo(directory: string): Promise<void> {
    for (const [name, { descriptor, bytes }] of this.#files) {
      const from = createReadStream("", { fd: descriptor, start: 0, end: bytes - 1, autoClose: false });
      await pipeline(from, createWriteStream(join(directory, name)));
      if (name.startsWith("MANIFEST-")) await writeFile(join(directory, "CURRENT"), `${name}\n`);
    }
  }

  release(): void {
    for (const { descriptor } of this.#files.values()) closeSync(descriptor);
    this.#files.clear();
  }
}

/** @returns whether all files of one version of the store are held; then they may change as they like */
async function hold(
  held: HeldFiles,
  database: string,
  into: string,
  links: boolean,
  steps: FreezingSteps,
): Promise<boolean> {
  try {
    const manifest = currentManifest(database);
    const descriptor = await steps.open(join(database, manifest));
    const { size } = fstatSync(descriptor);
    held.add(manifest, descriptor, size);
    const names = await steps.list(database);
    if (currentManifest(database) !== manifest || fstatSync(descriptor).size !== size) return false;
    for (const name of names) {
      const path = join(database, name);
      if (links && TABLE.test(name)) await steps.link(path, join(into, name));
      else if (TABLE.test(name) || WRITE_AHEAD_LOG.test(name) || name === IDENTITY)
        held.add(name, await steps.open(path));
    }
    return true;
  } catch (error) {
    // Something went away after it was listed: an old manifest, a table that was merged, a log that was written out.
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return false;
    throw error;
  }
}

function currentManifest(database: string): string {
  return readFileSync(join(database, "CURRENT"), "utf8").trim();
}
