import { execFile } from "node:child_process";
import { promisify } from "node:util";

const run = promisify(execFile);

/**
 * Kills the process that a host which was itself killed (`kill -9`) left running: it would hold the lock of the store that
 * the next run must open. A process id may have gone to somebody else, so the process must also carry `variable`
 * (`NAME=value`) in its environment.
 */
export async function killLeftover(pid: number | undefined, variable: string): Promise<boolean> {
  if (pid === undefined || !(await carries(pid, variable))) return false;
  process.kill(pid, "SIGKILL");
  return true;
}

async function carries(pid: number, variable: string): Promise<boolean> {
  try {
    // `e` shows the environment after the command, on Linux and macOS, for processes of the same user only.
    const { stdout } = await run("ps", ["eww", "-o", "command=", "-p", String(pid)]);
    return stdout.split(/\s+/).includes(variable);
  } catch {
    // ps ends with 1 for a process that does not exist, and is not there at all on some systems.
    return false;
  }
}
