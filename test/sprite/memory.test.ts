import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import type { LocalNode, RawCoMap } from "cojson";
import { expect, onTestFinished, test } from "vitest";
import type { LargeStore } from "../support/large-store.ts";
import { SPRITE_BUNDLE } from "../support/sprite-bundle.ts";
import { asGroupId, connect, loadFresh, newAccount, PASS_SECRET, temporaryDirectory } from "./support.ts";

const MAKE_STORE = fileURLToPath(new URL("./large-store-child.ts", import.meta.url));

const COVALUES = 100_000;
const ACTIVE = 1_000;
/** Clients ask for this many at once. */
const AT_ONCE = 50;

/** What the image sets on a Machine of 256 MB (Dockerfile.sprite: half of the memory for the heap). */
const NODE_OPTIONS = "--max-old-space-size=128";
const MAX_PEAK_MB = 200;

async function makeStore(directory: string): Promise<LargeStore> {
  const args = [MAKE_STORE, directory, String(COVALUES), String(ACTIVE)];
  const { stdout } = await promisify(execFile)(process.execPath, args, { maxBuffer: 16 * 1024 * 1024 });
  return JSON.parse(stdout) as LargeStore;
}

async function startBundle(home: string, directory: string) {
  const env = {
    NODE_OPTIONS,
    SPRITE_HOME: home,
    PORT: "0",
    SPRITE_DATA: directory,
    PASS_KEYS: PASS_SECRET,
    SPRITE_SLEEP_AFTER: "0",
  };
  const child = spawn(process.execPath, [SPRITE_BUNDLE], { env, stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  for await (const line of createInterface({ input: child.stdout })) {
    if (!line.includes('"listening"')) continue;
    const { port } = JSON.parse(line) as { port: number };
    // Its log must not fill the pipe.
    child.stdout.resume();
    return { child, url: `ws://127.0.0.1:${port}/sync`, home: asGroupId(home) };
  }
  throw new Error(`the Sprite ended with ${child.exitCode} before it listened`);
}

/** Megabytes that the process has had resident at most. */
function peakMb(pid: number | undefined): number {
  const [, kilobytes] = /^VmHWM:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  if (kilobytes === undefined) throw new Error("the process has no peak");
  return Number(kilobytes) / 1024;
}

async function loadAll(node: LocalNode, ids: readonly string[]): Promise<RawCoMap[]> {
  const maps: RawCoMap[] = [];
  for (let start = 0; start < ids.length; start += AT_ONCE) {
    const loads = ids.slice(start, start + AT_ONCE).map((id) => node.load(id as RawCoMap["id"]));
    for (const map of await Promise.all(loads)) {
      if (map === "unavailable") throw new Error("a CoValue is unavailable");
      maps.push(map);
    }
  }
  return maps;
}

test.skipIf(process.platform !== "linux")(
  `a Sprite with ${COVALUES} CoValues on a Machine of 256 MB stays under ${MAX_PEAK_MB} MB while ${ACTIVE} are read and written`,
  { timeout: 300_000 },
  async () => {
    const directory = join(temporaryDirectory(), "store");
    const { group, maps } = await makeStore(directory);
    const sprite = await startBundle(group, directory);
    const { node } = newAccount().core;
    const { peerId } = await connect(node, sprite);
    const loaded = await loadAll(node, maps);
    for (const map of loaded) {
      map.set("done", true, "trusting");
      await node.syncManager.waitForSyncWithPeer(peerId, map.id, 60_000);
    }
    expect((await loadFresh(sprite, maps[ACTIVE - 1] ?? group)).get("done")).toBe(true);
    const peak = peakMb(sprite.child.pid);
    sprite.child.kill("SIGTERM");
    await once(sprite.child, "exit");
    expect(sprite.child.exitCode).toBe(0);
    expect(peak).toBeLessThan(MAX_PEAK_MB);
  },
);
