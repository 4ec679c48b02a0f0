import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { onTestFinished } from "vitest";
import { until } from "../support/until.ts";
import { asGroupId, PASS_SECRET } from "./support.ts";

export const MAIN = fileURLToPath(new URL("../../sprite/main.ts", import.meta.url));
export const SINGLE = fileURLToPath(new URL("../../sprite/single.ts", import.meta.url));

export interface Running {
  readonly process: ChildProcess;
  readonly lines: string[];
  readonly exit: Promise<number | null>;
}

/** A program as a process of its own, killed when the test is over. */
export function run(file: string, args: string[], env: Record<string, string>): Running {
  // Node of the tests, not the system's: the files are TypeScript.
  const child = spawn(process.execPath, [file, ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    createInterface({ input: stream }).on("line", (line) => lines.push(line));
  }
  return { process: child, lines, exit: once(child, "exit").then(([code]) => code as number | null) };
}

/** A Sprite as a process, listening. */
export async function startProcess(home: string, data: string, env: Record<string, string> = {}) {
  const running = run(MAIN, [], {
    SPRITE_HOME: home,
    PORT: "0",
    SPRITE_DATA: join(data, "store"),
    PASS_KEYS: PASS_SECRET,
    SPRITE_SLEEP_AFTER: "0",
    ...env,
  });
  const listening = await until(() => running.lines.find((line) => line.includes('"listening"')), {
    what: "the process to listen",
  });
  const { port } = JSON.parse(listening) as { port: number };
  return { ...running, url: `ws://127.0.0.1:${port}/sync`, home: asGroupId(home) };
}
