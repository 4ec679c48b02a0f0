import { readdir, readFile } from "node:fs/promises";
import { workerdPid } from "../../test/support/workerd-process.ts";

/**
 * Finds the workerd that this process runs.
 * @returns a reader of the CPU time it has used, in milliseconds; `undefined` where there is no `/proc` (not Linux).
 */
export async function workerdCpu(): Promise<(() => Promise<number>) | undefined> {
  const pid = await workerdPid();
  return pid === undefined ? undefined : () => cpuOf(pid);
}

/** `schedstat` begins with the nanoseconds that a thread has run; the coarse counters of `stat` are 10 ms wide. */
async function cpuOf(pid: string): Promise<number> {
  const threads = await readdir(`/proc/${pid}/task`);
  const texts = await Promise.all(
    threads.map((thread) => readFile(`/proc/${pid}/task/${thread}/schedstat`, "utf8").catch(() => "0")),
  );
  return texts.reduce((sum, text) => sum + Number(text.split(" ", 1)[0]) / 1e6, 0);
}
