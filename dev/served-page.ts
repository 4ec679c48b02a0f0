import { copyFile, cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";

const PAGE = "index.html";

/**
 * Copies a built demo page for one stack alone, which may serve it for days while others build new ones.
 * @returns `to`.
 */
export async function copyPage(from: string, to: string): Promise<string> {
  await rm(to, { recursive: true, force: true });
  await mkdir(to, { recursive: true });
  // First, because a build that happens now writes it last: all that it names is there.
  await copyFile(join(from, PAGE), join(to, PAGE));
  await cp(from, to, { recursive: true, filter: (source) => source !== join(from, PAGE) });
  return to;
}
