import { type ChildProcess, execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const run = promisify(execFile);

const MAIN = fileURLToPath(new URL("../../dev/main.ts", import.meta.url));

/** `npm run dev` as a process of its own. */
export interface DevCommand {
  readonly process: ChildProcess;
  /** The edge's address, once it is ready. Rejects with the command's errors when it ends before. */
  readonly ready: Promise<string>;
  /** How it ended, and what it has written to stderr. */
  readonly ended: Promise<{ readonly code: number | null; readonly stderr: string }>;
  /** Kills the command as an accident would. Its workerd, which outlives that, is killed afterwards; nothing else is. */
  crash(): Promise<void>;
}

export function startDevCommand(args: readonly string[], env: NodeJS.ProcessEnv = {}): DevCommand {
  const child = spawn(process.execPath, [MAIN, ...args], {
    stdio: ["ignore", "pipe", "pipe"],
    env: { ...process.env, ...env },
  });
  let stderr = "";
  child.stderr.setEncoding("utf8").on("data", (text: string) => {
    stderr += text;
  });
  const ended = once(child, "close").then(([code]) => ({ code: code as number | null, stderr }));
  const ready = new Promise<string>((resolve, reject) => {
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, url] = /^ready (ws\S+)/.exec(line) ?? [];
      if (url) resolve(url);
    });
    void ended.then(() => reject(new Error(`npm run dev has ended: ${stderr}`)));
  });
  // A test that only looks at the end does not wait for this one.
  ready.catch(() => undefined);
  const crash = async () => {
    const workerds = await childrenOf(child.pid, "workerd");
    child.kill("SIGKILL");
    for (const pid of workerds) process.kill(pid, "SIGKILL");
    await ended;
  };
  return { process: child, ready, ended, crash };
}

/** The process ids of those children that run this program. */
async function childrenOf(parent: number | undefined, program: string): Promise<number[]> {
  const { stdout } = await run("ps", ["-A", "-o", "pid=,ppid=,comm="]);
  return stdout.split("\n").flatMap((line) => {
    const [, pid, ppid, command = ""] = /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line) ?? [];
    return Number(ppid) === parent && command.endsWith(program) ? [Number(pid)] : [];
  });
}
