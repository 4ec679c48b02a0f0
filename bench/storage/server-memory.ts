import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startClient } from "../../test/support/client.ts";
import type { LargeStore } from "../../test/support/large-store.ts";
import { interleave, type Sample, type Samples } from "../interleave.ts";
import { fillStore } from "./contest.ts";

/** The heap of a Sprite on a Machine of 256 MB, for both: else V8 takes what this computer has. */
const NODE_OPTIONS = "--max-old-space-size=128";
/** CoValues that a client asks for at once. */
const AT_ONCE = 50;

const SERVERS = [
  {
    name: "ours-flush",
    main: fileURLToPath(new URL("../../sprite/single.ts", import.meta.url)),
    args: (directory: string) => ["--port", "0", "--data", directory],
  },
  {
    name: "sqlite-flush",
    main: fileURLToPath(new URL("../sync/plain-main.ts", import.meta.url)),
    args: (directory: string) => [join(directory, "db")],
  },
] as const;

/**
 * Memory of a whole server, ours and cojson's, each with `covalues` stored of which a client loads and changes
 * `active`: the peak, and what is resident afterwards. Linux only.
 */
export async function serverMemory(covalues: number, active: number, rounds: number): Promise<Samples> {
  const base = await mkdtemp(join(tmpdir(), "bench-memory-"));
  try {
    const contenders = [];
    for (const { name, main, args } of SERVERS) {
      const directory = join(base, name);
      const store = await fillStore(name, directory, covalues, active);
      contenders.push({ name, run: () => measure([main, ...args(directory)], store) });
    }
    return await interleave(contenders, rounds);
  } finally {
    await rm(base, { recursive: true, force: true });
  }
}

async function measure(command: readonly string[], { maps }: LargeStore): Promise<Sample> {
  const env = { ...process.env, NODE_OPTIONS };
  const child = spawn(process.execPath, command, { env, stdio: ["ignore", "pipe", "inherit"] });
  const exited = once(child, "exit");
  try {
    const client = await startClient(await readyUrl(child));
    for (let start = 0; start < maps.length; start += AT_ONCE) {
      const loads = maps.slice(start, start + AT_ONCE).map((id) => client.load(id));
      for (const map of await Promise.all(loads)) map.set("done", performance.now());
      await client.synced();
    }
    const status = await readFile(`/proc/${child.pid}/status`, "utf8");
    await client.close();
    return { peakMb: megabytes(status, "VmHWM"), residentMb: megabytes(status, "VmRSS") };
  } finally {
    child.kill("SIGTERM");
    await exited;
  }
}

function megabytes(status: string, name: string): number {
  const [, kilobytes] = new RegExp(`^${name}:\\s+(\\d+) kB$`, "m").exec(status) ?? [];
  if (kilobytes === undefined) throw new Error(`/proc does not say ${name}`);
  return Number(kilobytes) / 1024;
}

async function readyUrl({ stdout }: ChildProcess): Promise<string> {
  if (stdout === null) throw new Error("the server's output is not piped");
  for await (const line of createInterface({ input: stdout })) {
    const [, url] = /^ready (ws:\S+)/.exec(line) ?? [];
    if (url === undefined) continue;
    // Its log must not fill the pipe.
    stdout.resume();
    return url;
  }
  throw new Error("a server ended before it was ready");
}
