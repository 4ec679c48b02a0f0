import { factsOf } from "./process-facts.ts";

/** How often a script looks whether npm is still there (ms). */
const LOOK_MS = 500;
/** The shell that npm starts a script in. Some shells are replaced by their last command, and are not to be seen. */
const SHELL = /^\S*sh (-\S+ )*-c /;

/**
 * Calls `onGone` once when the npm that started this process has ended. npm passes SIGINT and SIGTERM on to its shell, and
 * nothing when it gets SIGHUP or is killed: the script would run on, out of sight. Without npm it does nothing.
 */
export function endWithNpm(onGone: () => void): void {
  if (process.env.npm_lifecycle_event === undefined) return;
  const parent = factsOf(process.ppid);
  if (!parent) return;
  const npm = SHELL.test(parent.command) ? parent.parent : parent.pid;
  const timer = setInterval(() => {
    if (process.ppid === parent.pid && isRunning(npm)) return;
    clearInterval(timer);
    onGone();
  }, LOOK_MS);
  timer.unref();
}

function isRunning(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch (error) {
    // EPERM: it is there, and somebody else's.
    return (error as NodeJS.ErrnoException).code !== "ESRCH";
  }
}
