import { constants, existsSync } from "node:fs";
import { copyFile, mkdir, open, readdir, rename, rm, stat } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { OnProgress } from "./export.ts";
import { freezeFiles } from "./frozen-files.ts";
import { openEngine } from "./open-storage.ts";
import { openView } from "./store-view.ts";

export interface CheckpointReport {
  /** CoValues ever created in the copy. */
  readonly covalues: number;
  /** Bytes of the copy's files. */
  readonly bytes: number;
}

/**
 * Copies the store in `directory`, also while a Sprite serves from it, to the new store `copy`, which may be on another
 * disk. The copy is the store as it was at one moment: everything acknowledged before the call is in it. It appears under
 * its name once it is complete and synced; a Sprite can be started on it.
 * @param onProgress called with files copied and files to copy
 * @throws SpriteSyncError when there is no store, or `copy` exists
 */
export async function checkpointStore(
  directory: string,
  copy: string,
  onProgress: OnProgress = () => {},
): Promise<CheckpointReport> {
  if (existsSync(copy)) {
    throw new SpriteSyncError(
      "config-invalid",
      `${copy} exists already. Remove it, or name another directory.`,
    );
  }
  const part = `${resolve(copy)}.part`;
  await rm(part, { recursive: true, force: true });
  try {
    const view = await openView(directory);
    try {
      const [from, to] = [join(view.directory, "db"), join(part, "db")];
      if (view.frozen) await copyFiles(from, to, onProgress);
      else await freezeFiles(from, to, { links: false });
    } finally {
      await view.close();
    }
    const report = { covalues: await countIn(part), bytes: await syncAll(join(part, "db")) };
    await sync(part);
    await rename(part, copy);
    await sync(dirname(resolve(copy)));
    return report;
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    throw error;
  }
}

async function copyFiles(from: string, to: string, onProgress: OnProgress): Promise<void> {
  await mkdir(to, { recursive: true });
  // The lock and the info logs are those of whoever opens a store.
  const names = (await readdir(from)).filter((name) => !/^LO(CK|G)/.test(name));
  for (const [index, name] of names.entries()) {
    // A real copy, with shared blocks where the file system can: its writer must not reach a table of the original.
    await copyFile(join(from, name), join(to, name), constants.COPYFILE_FICLONE);
    onProgress(index + 1, names.length);
  }
}

/** Opens the copy: what is said to be one must be one. */
async function countIn(directory: string): Promise<number> {
  const engine = await openEngine(directory, { readOnly: true });
  const { count } = engine.committer;
  await engine.close();
  return count;
}

/** @returns bytes of all files */
async function syncAll(directory: string): Promise<number> {
  let bytes = 0;
  for (const name of await readdir(directory)) {
    await sync(join(directory, name));
    bytes += (await stat(join(directory, name))).size;
  }
  await sync(directory);
  return bytes;
}

async function sync(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}
