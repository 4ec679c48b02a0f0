import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";

/** What the system tells of a running process. */
export interface ProcessFacts {
  readonly pid: number;
  readonly parent: number;
  /** When it began, in the system's own words: two processes with one id differ in it. */
  readonly began: string;
  /** Its command line. */
  readonly command: string;
}

/** @returns `undefined` when there is no such process, or nothing can be found out about it. */
export function factsOf(pid: number): ProcessFacts | undefined {
  try {
    return process.platform === "linux" ? fromProc(pid) : fromPs(pid);
  } catch {
    return undefined;
  }
}

/** proc(5); slim images have no `ps`. */
function fromProc(pid: number): ProcessFacts {
  const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
  // The second field is the program's name in brackets, and may hold anything.
  const [, parent = "", ...rest] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const command = readFileSync(`/proc/${pid}/cmdline`, "utf8").replaceAll("\0", " ").trim();
  // Field 22, in ticks since the system began.
  return { pid, parent: Number(parent), began: rest[17] ?? "", command };
}

function fromPs(pid: number): ProcessFacts {
  const args = ["-o", "ppid=,lstart=,command=", "-p", String(pid)];
  const line = execFileSync("ps", args, { encoding: "utf8", env: { ...process.env, LC_ALL: "C" } });
  const [, parent = "", began = "", command = ""] =
    /^\s*(\d+)\s+(\S+\s+\S+\s+\S+\s+\S+\s+\S+)\s+(.*)/.exec(line) ?? [];
  return { pid, parent: Number(parent), began, command };
}
