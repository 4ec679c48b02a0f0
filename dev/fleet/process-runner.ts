import { type ChildProcess, spawn } from "node:child_process";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { dial } from "./dial.ts";
import { freePort } from "./free-port.ts";
import type { Exit, OnOutput, Run, Runner, RunSpec } from "./runner.ts";

/** How to start a Machine's program on this computer instead of its image. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
  /** Defaults below the Machine's own environment. */
  readonly env?: Readonly<Record<string, string>>;
}

/**
 * Runs Machines as child processes. Two names in the environment stand for what a container would give them: `PORT` is a
 * free port instead of the internal one, `SPRITE_DATA` is the store's directory inside the volume instead of below `/data`.
 */
export function processRunner(command: (spec: RunSpec) => Command, onOutput?: OnOutput): Runner {
  return {
    async start(spec) {
      const port = await freePort();
      const { file, args, env } = command(spec);
      const child = spawn(file, args, {
        stdio: ["ignore", "pipe", "pipe"],
        // A group of its own: Ctrl-C in the terminal is for us, and we stop Machines in order.
        detached: true,
        env: {
          ...inherited(),
          ...env,
          ...spec.env,
          ...spec.secrets,
          PORT: String(port),
          SPRITE_DATA: join(spec.volumeDir, "hypercore-storage"),
        },
      });
      return runOf(child, port, (line) => onOutput?.(spec, line));
    },
  };
}

/** A child process as a run. @throws what `spawn` reports, such as a missing program. */
export async function runOf(
  child: ChildProcess,
  port: number,
  onLine: (line: string) => void,
): Promise<Run & { readonly pid: number }> {
  const exited = new Promise<Exit>((resolve) => {
    child.once("exit", (code, signal) => resolve({ code, signal }));
  });
  for (const stream of [child.stdout, child.stderr]) {
    if (stream) createInterface({ input: stream }).on("line", onLine);
  }
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", reject);
  });
  // Later errors are failed signals to a process that is gone: `exit` says the same.
  child.on("error", () => undefined);
  const signal = (name: NodeJS.Signals) => void child.kill(name);
  return {
    port,
    pid: child.pid ?? 0,
    exited,
    dial: () => dial(port),
    signal,
    pause: async () => signal("SIGSTOP"),
    resume: async () => signal("SIGCONT"),
  };
}

/** A Machine does not see the developer's environment, only what a program needs to start. */
export function inherited(): Record<string, string> {
  const names = ["PATH", "HOME", "TMPDIR", "TZ", "LANG", "SystemRoot"];
  return Object.fromEntries(names.flatMap((name) => (process.env[name] ? [[name, process.env[name]]] : [])));
}
