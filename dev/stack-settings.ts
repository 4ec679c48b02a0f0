import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { SpriteSyncError } from "../shared/errors.ts";
import { isLocked } from "./data-lock.ts";
import { readJson } from "./read-json.ts";

const settingsSchema = z.record(z.string(), z.string());

/** Keeps a running stack's settings for `npm run fleet -- --dev`. They hold its keys: readable by their owner only. */
export async function keepSettings(
  dataDir: string,
  settings: Readonly<Record<string, string>>,
): Promise<void> {
  // A file that is there would keep its mode.
  await forgetSettings(dataDir);
  await writeFile(fileIn(dataDir), JSON.stringify(settings), { mode: 0o600 });
}

/** Removes them when the stack ends. */
export async function forgetSettings(dataDir: string): Promise<void> {
  await rm(fileIn(dataDir), { force: true });
}

/**
 * The settings of the edge of the stack that runs on `dataDir`.
 * @throws SpriteSyncError `config-invalid` when none runs there.
 */
export async function readSettings(dataDir: string): Promise<Readonly<Record<string, string>>> {
  const settings = settingsSchema.safeParse(await readJson(fileIn(dataDir)));
  if (settings.success && (await isLocked(dataDir))) return settings.data;
  throw new SpriteSyncError(
    "config-invalid",
    `no stack runs on ${dataDir}; start one with npm run dev, or name its directory with --data`,
  );
}

function fileIn(dataDir: string): string {
  return join(dataDir, "edge-settings.json");
}
