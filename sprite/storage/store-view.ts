import { randomBytes } from "node:crypto";
import { existsSync } from "node:fs";
import { mkdir, readdir, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import type { Engine } from "./engine.ts";
import { freezeFiles } from "./frozen-files.ts";
import { openEngine } from "./open-storage.ts";

/** A store that stands still, whatever happens to the one that it was taken from. */
export interface StoreView {
  /** Read-only. */
  readonly engine: Engine;
  /** The directory that the engine reads. */
  readonly directory: string;
  /** False where the store itself had to be opened. */
  readonly frozen: boolean;
  close(): Promise<void>;
}

/** The disk does not take a view; then the store itself is looked at. */
const NO_ROOM = new Set(["EROFS", "EACCES", "EPERM", "EXDEV", "ENOSPC", "EDQUOT", "EMLINK", "ENOTSUP"]);

/**
 * Opens the store in `directory` for looking at, also while a Sprite writes to it. Its files are hard-linked into a
 * directory beside it, which is removed by `close`. Where that is not possible (a full or read-only disk) the store
 * itself is opened; then what a writer's compaction removes meanwhile looks like damage.
 * @throws SpriteSyncError `storage-failed` when there is no store, or it cannot be opened
 */
export async function openView(directory: string): Promise<StoreView> {
  const database = join(directory, "db");
  // Without files there is nothing to freeze, and opening says so.
  const frozen = existsSync(join(database, "CURRENT")) ? await freeze(directory, database) : undefined;
  const from = frozen ?? directory;
  const discard = async () => {
    if (frozen !== undefined) await rm(frozen, { recursive: true, force: true });
  };
  try {
    const engine = await openEngine(from, { readOnly: true });
    const close = async () => {
      try {
        await engine.close();
      } finally {
        await discard();
      }
    };
    return { engine, directory: from, frozen: frozen !== undefined, close };
  } catch (error) {
    await discard();
    throw error;
  }
}

async function freeze(directory: string, database: string): Promise<string | undefined> {
  // Beside the store: hard links need its file system, and what is in its directory is moved by the next open
  // (facts/storage §1a).
  const prefix = `${basename(resolve(directory))}.view-`;
  const parent = dirname(resolve(directory));
  const view = join(parent, `${prefix}${process.pid}-${randomBytes(4).toString("hex")}`);
  try {
    // They would keep the space of tables that are gone.
    await removeAbandoned(parent, prefix);
    await mkdir(view);
    await freezeFiles(database, join(view, "db"));
    return view;
  } catch (error) {
    await rm(view, { recursive: true, force: true }).catch(() => undefined);
    if (NO_ROOM.has((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

/** Removes the directories in `parent` that are called `prefix` and the id of a process that is gone. */
export async function removeAbandoned(parent: string, prefix: string): Promise<void> {
  for (const name of await readdir(parent)) {
    const pid = name.startsWith(prefix) ? Number(name.slice(prefix.length).split("-")[0]) : Number.NaN;
    if (Number.isInteger(pid) && !isAlive(pid))
      await rm(join(parent, name), { recursive: true, force: true });
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === "EPERM";
  }
}
