import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";

export interface ServerProcess {
  readonly url: string;
  close(): Promise<void>;
}

const PLAIN = fileURLToPath(new URL("./plain-main.ts", import.meta.url));
const SINGLE = fileURLToPath(new URL("../../sprite/single.ts", import.meta.url));

/** The server that everybody else runs, in a process of its own as a Sprite has one. */
export function startPlainProcess(): Promise<ServerProcess> {
  return start(PLAIN, (directory) => [join(directory, "plain.sqlite")]);
}

/**
 * A Sprite's program and storage with all groups in one process: what is left of the stack without the edge. It promises what
 * the others do: a killed process loses nothing.
 */
export function startSingleProcess(): Promise<ServerProcess> {
  return start(SINGLE, (directory) => ["--port", "0", "--data", directory, "--durability", "flush"]);
}

async function start(main: string, args: (directory: string) => string[]): Promise<ServerProcess> {
  const directory = await mkdtemp(join(tmpdir(), "sprite-sync-bench-"));
  const child = spawn(process.execPath, [main, ...args(directory)], { stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  return {
    url: await readyUrl(child),
    async close() {
      child.kill("SIGTERM");
      await exited;
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function readyUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`a server ended with ${code} before it was ready`)));
    if (!child.stdout) throw new Error("the server's output is not piped");
    createInterface({ input: child.stdout }).on("line", (line) => {
      const [, url] = /^ready (ws:\S+)/.exec(line) ?? [];
      if (url) resolve(url);
    });
  });
}
