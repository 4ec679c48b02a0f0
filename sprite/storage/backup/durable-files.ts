import { mkdir, open, readdir } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";

/** Makes what is in a file, or the entries of a directory, survive a power cut. */
export async function syncPath(path: string): Promise<void> {
  const file = await open(path, "r");
  try {
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Everything in `directory`, and itself. */
export async function syncTree(directory: string): Promise<void> {
  for (const entry of await readdir(directory, { withFileTypes: true })) {
    const path = join(directory, entry.name);
    if (entry.isDirectory()) await syncTree(path);
    else if (entry.isFile()) await syncPath(path);
  }
  await syncPath(directory);
}

export async function writeSynced(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(path, "wx");
  try {
    await file.writeFile(bytes);
    await file.sync();
  } finally {
    await file.close();
  }
}

/** Makes a directory, and those above it, durably. Costs one look when it is there. */
export async function makeDirectory(directory: string): Promise<void> {
  const first = await mkdir(directory, { recursive: true });
  if (first === undefined) return;
  const top = dirname(first);
  for (let path = resolve(directory); ; path = dirname(path)) {
    await syncPath(path);
    if (path === top || path === dirname(path)) return;
  }
}
