import { spawn } from "node:child_process";
import { once } from "node:events";
import type { Sample } from "../interleave.ts";

export const NODE = "node -e 0";

/** Starts and ends an empty Node process: no program of Node's can be there sooner. */
export async function emptyNode(): Promise<Sample> {
  const begun = performance.now();
  const child = spawn(process.execPath, ["-e", "0"], { stdio: "ignore" });
  await once(child, "exit");
  return { ms: performance.now() - begun };
}
