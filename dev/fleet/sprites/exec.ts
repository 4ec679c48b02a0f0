import { spawn } from "node:child_process";
import { dirname } from "node:path";
import { inherited } from "../process-runner.ts";

const STDOUT = 1;
const STDERR = 2;
const EXIT = 3;

/**
 * Runs a command as the API's HTTP exec does, in the Sprite's place.
 * @returns the answer's body: tagged frames without lengths, the exit code in the last two bytes (facts/fly-sprites §2b).
 */
export function exec(command: readonly string[], cwd: string): Promise<Buffer> {
  const [file = "", ...args] = command;
  const env = inherited();
  const child = spawn(file, args, {
    cwd,
    env: { ...env, PATH: `${dirname(process.execPath)}:${env.PATH ?? ""}` },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const frames: Buffer[] = [];
  const keep = (tag: number) => (chunk: Buffer) => void frames.push(Buffer.from([tag]), chunk);
  child.stdout.on("data", keep(STDOUT));
  child.stderr.on("data", keep(STDERR));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => resolve(Buffer.concat([...frames, Buffer.from([EXIT, code ?? 255])])));
  });
}
