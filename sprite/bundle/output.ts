import { copyFile, readdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import type { OutputFile } from "esbuild";

/** Part of the names of files whose contents never change: a new content gets a new name. */
const NAMED_BY_CONTENT = /-[A-Z0-9]{8}\./;
/** How long what earlier builds made is kept: a Sprite that is just starting may still read it. Milliseconds. */
const KEEP_MS = 3_600_000;

/**
 * A directory with a bundle in it, which is built anew while Sprites run from it.
 *
 * 1. A file that is there is never changed: whoever has it open or mapped keeps it. Writing into a native part would end each
 *    process that has loaded it.
 * 2. A name always has a whole file behind it.
 */
export class BundleDirectory {
  readonly path: string;
  private readonly current = new Set<string>();

  constructor(path: string) {
    this.path = path;
  }

  /** Puts what esbuild made there. */
  async put(files: readonly OutputFile[]): Promise<void> {
    for (const { path, contents } of files) await this.putFile(basename(path), contents);
  }

  async putFile(name: string, contents: Uint8Array | string): Promise<void> {
    await this.add(name, (file) => writeFile(file, contents));
  }

  /** Puts a copy of `source` there. */
  async putCopy(name: string, source: string): Promise<void> {
    await this.add(name, (file) => copyFile(source, file));
  }

  /** Adds a file that somebody else has put there. */
  keep(name: string): void {
    this.current.add(name);
  }

  /** Removes what earlier builds have left. */
  async removeOld(): Promise<void> {
    for (const name of await readdir(this.path)) {
      if (!NAMED_BY_CONTENT.test(name) || this.current.has(name)) continue;
      const file = join(this.path, name);
      // Another build may be removing it as well.
      const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }));
      if (Date.now() - mtimeMs > KEEP_MS) await rm(file, { force: true });
    }
  }

  private async add(name: string, write: (file: string) => Promise<void>): Promise<void> {
    this.current.add(name);
    const file = join(this.path, name);
    if (NAMED_BY_CONTENT.test(name) && (await exists(file))) return;
    const unfinished = join(this.path, `.${name}.${process.pid}`);
    await write(unfinished);
    await rename(unfinished, file);
  }
}

async function exists(file: string): Promise<boolean> {
  return stat(file).then(
    () => true,
    () => false,
  );
}
