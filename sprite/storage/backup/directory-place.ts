import { randomBytes } from "node:crypto";
import { readdir, readFile, rename, rm, rmdir, stat, unlink } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import { SpriteSyncError } from "../../../shared/errors.ts";
import { makeDirectory, syncPath, writeSynced } from "./durable-files.ts";
import type { BackupPlace, PlaceObject } from "./place.ts";

/** Objects that are being written. A key's part never begins with a dot. */
const UNFINISHED = ".unfinished";
/** Milliseconds after which an unfinished object was left behind by a process that was killed. */
const ABANDONED_MS = 24 * 60 * 60 * 1000;
/** Another process may remove a directory, because it is empty, just before something is put into it. */
const PUT_ATTEMPTS = 3;
const KEY = /^[\w-][\w.-]*(\/[\w-][\w.-]*)*$/;

/** Backups in a directory, on any file system with atomic renames. */
export class DirectoryPlace implements BackupPlace {
  readonly name: string;
  readonly #root: string;

  private constructor(directory: string) {
    this.name = directory;
    this.#root = resolve(directory);
  }

  /** @throws SpriteSyncError `config-invalid` when something else has this name */
  static async open(directory: string): Promise<DirectoryPlace> {
    const place = new DirectoryPlace(directory);
    await place.#removeAbandoned();
    return place;
  }

  async put(key: string, bytes: Uint8Array): Promise<void> {
    const path = this.#pathOf(key);
    const unfinished = join(this.#root, UNFINISHED, randomBytes(8).toString("hex"));
    try {
      await makeDirectory(dirname(unfinished));
      await writeSynced(unfinished, bytes);
      await moveTo(unfinished, path);
    } catch (error) {
      await rm(unfinished, { force: true }).catch(() => undefined);
      throw this.#failed("written", error);
    }
  }

  async get(key: string): Promise<Buffer | undefined> {
    try {
      return await readFile(this.#pathOf(key));
    } catch (error) {
      if (isMissing(error)) return undefined;
      throw this.#failed("read", error);
    }
  }

  async *list(prefix: string): AsyncGenerator<PlaceObject> {
    const keys: string[] = [];
    // Only the directory that all of them are in, which is there or not.
    await this.#walk(prefix.slice(0, prefix.lastIndexOf("/") + 1), (key) => {
      if (key.startsWith(prefix)) keys.push(key);
    });
    for (const key of keys.sort()) {
      const found = await stat(join(this.#root, key)).catch((error: unknown) => {
        if (isMissing(error)) return undefined;
        throw this.#failed("read", error);
      });
      if (found !== undefined) yield { key, bytes: found.size };
    }
  }

  async delete(key: string): Promise<void> {
    const path = this.#pathOf(key);
    try {
      await unlink(path);
    } catch (error) {
      if (isMissing(error)) return;
      throw this.#failed("changed", error);
    }
    for (let parent = dirname(path); parent !== this.#root; parent = dirname(parent)) {
      // Not empty, or another process was faster.
      if (
        !(await rmdir(parent).then(
          () => true,
          () => false,
        ))
      )
        return;
    }
  }

  async close(): Promise<void> {}

  /** @param directory a key that ends in `/`, or nothing */
  async #walk(directory: string, found: (key: string) => void): Promise<void> {
    for (const entry of await this.#entries(join(this.#root, directory))) {
      if (entry.name.startsWith(".")) continue;
      if (entry.isDirectory()) await this.#walk(`${directory}${entry.name}/`, found);
      else if (entry.isFile()) found(`${directory}${entry.name}`);
    }
  }

  async #entries(path: string) {
    try {
      return await readdir(path, { withFileTypes: true });
    } catch (error) {
      if (isMissing(error)) return [];
      throw this.#failed("read", error);
    }
  }

  async #removeAbandoned(): Promise<void> {
    const directory = join(this.#root, UNFINISHED);
    for (const { name } of await this.#entries(directory)) {
      const path = join(directory, name);
      const { mtimeMs } = (await stat(path).catch(() => undefined)) ?? { mtimeMs: Date.now() };
      // A place that is only read may be on a read-only disk.
      if (Date.now() - mtimeMs > ABANDONED_MS) await rm(path, { force: true }).catch(() => undefined);
    }
  }

  #pathOf(key: string): string {
    if (!KEY.test(key)) throw new Error(`"${key}" is no key of a place`);
    return join(this.#root, key);
  }

  #failed(what: string, cause: unknown): SpriteSyncError {
    const { code = "", message } =
      cause instanceof Error ? (cause as NodeJS.ErrnoException) : { message: String(cause) };
    if (code === "ENOTDIR" || code === "EEXIST") {
      return new SpriteSyncError(
        "config-invalid",
        `The place of the backups, ${this.name}, is not a directory.`,
        { cause },
      );
    }
    const text = `The place of the backups, ${this.name}, cannot be ${what}: ${message}. Check its disk and its permissions.`;
    return new SpriteSyncError("storage-failed", text, { cause });
  }
}

async function moveTo(from: string, to: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await makeDirectory(dirname(to));
      await rename(from, to);
      await syncPath(dirname(to));
      return;
    } catch (error) {
      if (!isMissing(error) || attempt === PUT_ATTEMPTS) throw error;
    }
  }
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && "code" in error && error.code === "ENOENT";
}
