import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { startClient } from "../../test/support/client.ts";
import type { Sample } from "../interleave.ts";
import type { FilledStore, StoreName } from "./filled-store.ts";

/** The heap of a Sprite on a Machine of 256 MB, for both: else V8 takes what this computer has. */
const NODE_OPTIONS = "--max-old-space-size=128";
/** CoValues that a client asks for at once. */
const AT_ONCE = 50;

const SERVERS: Readonly<Record<StoreName, (directory: string) => readonly string[]>> = {
  ours: (directory) => [pathOf("../../sprite/single.ts"), "--port", "0", "--data", directory],
  sqlite: (directory) => [pathOf("../sync/plain-main.ts"), join(directory, "db")],
};

function pathOf(file: string): string {
  return fileURLToPath(new URL(file, import.meta.url));
}

/**
 * Memory of a whole server on `store`, of which a client loads and changes all real CoValues: the peak, and what is resident
 * afterwards, in MB. Linux only.
 */
export async function serverMemory(store: FilledStore): Promise<Sample> {
  return store.withCopy(async (directory) => {
    const env = { ...process.env, NODE_OPTIONS };
    const args = SERVERS[store.name](directory);
    const child = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "exit");
    try {
      await useAll(await readyUrl(child), store);
      const status = await readFile(`/proc/${child.pid}/status`, "utf8");
      return { peakMb: megabytes(status, "VmHWM"), residentMb: megabytes(status, "VmRSS") };
    } finally {
      child.kill("SIGTERM");
      await exited;
    }
  });
}

async function useAll(url: string, { content: { maps } }: FilledStore): Promise<void> {
  const client = await startClient(url);
  for (let start = 0; start < maps.length; start += AT_ONCE) {
    const loads = maps.slice(start, start + AT_ONCE).map((id) => client.load(id));
    for (const map of await Promise.all(loads)) map.set("done", performance.now());
    await client.synced();
  }
  await client.close();
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
