import { rm, writeFile } from "node:fs/promises";
import { z } from "zod";
import { factsOf } from "../cli/process-facts.ts";
import { readJson } from "./read-json.ts";

const factsSchema = z.object({
  pid: z.int().positive(),
  began: z.string().min(1),
  command: z.string().min(1),
});

/** How long a killed process may take to be gone (ms). */
const GONE_MS = 5_000;
const LOOK_MS = 20;

/** Writes down a process that must not outlive this one, so that {@link endLeftover} can tell it from all others. */
export async function keepProcess(file: string, pid: number | undefined): Promise<void> {
  const facts = pid === undefined ? undefined : factsOf(pid);
  if (facts) await writeFile(file, JSON.stringify(facts));
}

/**
 * Ends the process in `file` if it still runs, and waits until it is gone. It has to have begun when it was written down and
 * to run the same command: a process id alone may have gone to another program.
 * @returns the process id of what was ended.
 */
export async function endLeftover(file: string): Promise<number | undefined> {
  const kept = factsSchema.safeParse(await readJson(file));
  await rm(file, { force: true });
  if (!kept.success) return undefined;
  const { pid, began, command } = kept.data;
  const isSame = () => {
    const now = factsOf(pid);
    return now?.began === began && now.command === command;
  };
  if (!isSame()) return undefined;
  process.kill(pid, "SIGKILL");
  for (let waited = 0; waited < GONE_MS && isSame(); waited += LOOK_MS)
    await new Promise((next) => setTimeout(next, LOOK_MS));
  return pid;
}
