import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { z } from "zod";
import { machineRecordSchema, volumeRecordSchema } from "./fly-model.ts";

const stateSchema = z.object({
  version: z.literal(1),
  app: z.string(),
  machines: z.array(machineRecordSchema),
  volumes: z.array(volumeRecordSchema),
});
/** All that survives a restart of the local host. */
export type FleetState = z.infer<typeof stateSchema>;

export interface StateFile {
  /** Writes what `current()` returns when the turn comes; resolves when it is on disk. Calls in between share a write. */
  save(): Promise<void>;
}

/** A fleet of Machines in its file. */
export const FLEET_FILE = { name: "fleet.json", schema: stateSchema } as const;

/** Which file a state is in, and what it must look like. */
export interface StateFormat<T> {
  readonly name: string;
  readonly schema: z.ZodType<T>;
}

/** The state in `dataDir`, or `undefined` when there is none yet. @throws when the file is not ours. */
export async function readState<T>(dataDir: string, format: StateFormat<T>): Promise<T | undefined> {
  const path = join(dataDir, format.name);
  let text: string;
  try {
    text = await readFile(path, "utf8");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    throw error;
  }
  const parsed = format.schema.safeParse(JSON.parse(text));
  if (parsed.success) return parsed.data;
  throw new Error(`${path} is not a fleet this version can read: ${z.prettifyError(parsed.error)}`);
}

/** Keeps a state file up to date: written beside it and renamed, so that a crash leaves the old or the new one. */
export function openStateFile<T>(
  dataDir: string,
  { name }: Pick<StateFormat<T>, "name">,
  current: () => T,
): StateFile {
  const path = join(dataDir, name);
  let writing: Promise<void> = Promise.resolve();
  let waiting: Promise<void> | undefined;

  async function write(): Promise<void> {
    waiting = undefined;
    await mkdir(dataDir, { recursive: true });
    await writeFile(`${path}.new`, `${JSON.stringify(current(), null, 1)}\n`);
    await rename(`${path}.new`, path);
  }

  return {
    save() {
      // One write may be under way and one waiting: the waiting one takes the state as it is when its turn comes.
      waiting ??= writing = writing.catch(() => undefined).then(write);
      return waiting;
    },
  };
}
