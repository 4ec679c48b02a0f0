import { readdir, readFile } from "node:fs/promises";

/** The pid of the workerd that this process runs; `undefined` where there is no `/proc` (not Linux). */
export async function workerdPid(): Promise<string | undefined> {
  const pids = await readdir("/proc").catch(() => []);
  for (const pid of pids.filter((name) => /^\d+$/.test(name))) {
    const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
    // "pid (name) state ppid …"; the name may hold anything but is ours here.
    const [, name, parent] = /^\d+ \((.*)\) \S (\d+)/.exec(stat) ?? [];
    if (name === "workerd" && Number(parent) === process.pid) return pid;
  }
  return undefined;
}

/** Watches how the memory of the workerd that this process runs grows from now on. */
export async function watchWorkerdMemory(): Promise<{ stop(): number }> {
  const pid = await workerdPid();
  if (!pid) throw new Error("there is no workerd to watch: this needs /proc, and a started stack");
  const before = await residentBytes(pid);
  let most = before;
  const timer = setInterval(async () => {
    // The process may end meanwhile.
    most = Math.max(most, await residentBytes(pid).catch(() => 0));
  }, 20);
  return {
    /** @returns by how many bytes it grew at most. */
    stop() {
      clearInterval(timer);
      return most - before;
    },
  };
}

async function residentBytes(pid: string): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, "utf8");
  return Number(/^VmRSS:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
}
