import { execFile } from "node:child_process";
import { readdir, readFile, readlink } from "node:fs/promises";
import { basename } from "node:path";
import { promisify } from "node:util";
import { factsOf } from "../cli/process-facts.ts";

/** The state of a listening socket in proc(5)'s tables. */
const LISTEN = "0A";

export interface Listener {
  readonly pid: number;
  readonly program: string;
}

/** Who listens on a TCP port of this computer. @returns `undefined` when the system does not tell, as of other users. */
export async function listenerOn(port: number): Promise<Listener | undefined> {
  const pid = await (process.platform === "linux" ? pidFromProc(port) : pidFromLsof(port)).catch(
    () => undefined,
  );
  if (pid === undefined) return undefined;
  const [file = ""] = factsOf(pid)?.command.split(" ") ?? [];
  return { pid, program: basename(file) };
}

async function pidFromProc(port: number): Promise<number | undefined> {
  const inodes = new Set<string>();
  for (const table of ["/proc/net/tcp", "/proc/net/tcp6"]) {
    const [, ...lines] = (await readFile(table, "utf8").catch(() => "")).split("\n");
    for (const line of lines) {
      const [, local = "", , state, , , , , , inode = ""] = line.trim().split(/\s+/);
      if (state === LISTEN && Number.parseInt(local.split(":")[1] ?? "", 16) === port)
        inodes.add(`socket:[${inode}]`);
    }
  }
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    // Not those of other users.
    const descriptors = await readdir(`/proc/${pid}/fd`).catch(() => []);
    for (const descriptor of descriptors) {
      const target = await readlink(`/proc/${pid}/fd/${descriptor}`).catch(() => "");
      if (inodes.has(target)) return Number(pid);
    }
  }
  return undefined;
}

async function pidFromLsof(port: number): Promise<number | undefined> {
  const args = ["-nP", `-iTCP:${port}`, "-sTCP:LISTEN", "-t"];
  const { stdout } = await promisify(execFile)("lsof", args);
  return Number(stdout.trim().split("\n")[0]) || undefined;
}
