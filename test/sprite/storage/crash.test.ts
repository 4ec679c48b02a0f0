import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { expect, onTestFinished, test } from "vitest";
import { newDirectory } from "./open-for-test.ts";
import { randomOf } from "./random.ts";

const child = fileURLToPath(new URL("./crash-child.ts", import.meta.url));

/**
 * The storage alone, with a write buffer so small that tables are written and compacted all the time. The loop with a real
 * Sprite is test/sprite/crash. `SPRITE_CRASH_ROUNDS=10000 SPRITE_CRASH_SEED=7` for the long form.
 */
const rounds = Number(process.env.SPRITE_CRASH_ROUNDS ?? 12);
const seed = Number(process.env.SPRITE_CRASH_SEED ?? Date.now() % 1_000_000);

/** Milliseconds after its first acknowledgement in which a process is killed. */
const LIFETIME_MS = 150;

interface State {
  readonly counts: Record<string, number>;
  readonly wrong: string[];
}

for (const durability of ["flush", "fsync"]) {
  test(`nothing acknowledged is lost, and nothing is torn, when the process is killed at any instant (${durability}, seed ${seed})`, {
    timeout: 30_000 + rounds * 3_000,
  }, async () => {
    const directory = newDirectory();
    const random = randomOf(seed);
    const acknowledged: Record<string, number> = {};
    let acks = 0;
    for (let round = 0; round < Math.ceil(rounds / 2); round++) {
      const { state, acked } = await life(directory, seed + round, durability, random() * LIFETIME_MS);
      expect(state.wrong, `round ${round}`).toEqual([]);
      for (const [key, count] of Object.entries(acknowledged)) {
        expect(state.counts[key] ?? 0, `round ${round}: ${key}`).toBeGreaterThanOrEqual(count);
      }
      Object.assign(acknowledged, acked);
      acks += Object.keys(acked).length;
    }
    const { state } = await life(directory, seed, durability, 0);
    expect(state.wrong).toEqual([]);
    expect(state.counts).toMatchObject(
      Object.fromEntries(Object.keys(acknowledged).map((key) => [key, expect.any(Number)])),
    );
    expect(acks).toBeGreaterThan(rounds);
  });
}

/** One process: from its check of the store to its death. */
async function life(directory: string, seed: number, durability: string, afterMs: number) {
  const process_ = spawn(process.execPath, [child, directory, String(seed), durability], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  onTestFinished(() => void process_.kill("SIGKILL"));
  const acked: Record<string, number> = {};
  let state: State | undefined;
  const lines = createInterface({ input: process_.stdout });
  for await (const line of lines) {
    const [kind, ...rest] = line.split(" ");
    if (kind === "state") state = JSON.parse(rest.join(" ")) as State;
    if (kind !== "ack") continue;
    if (Object.keys(acked).length === 0) void killLater(process_, afterMs);
    const [number, coSession, count] = rest;
    acked[`${number} ${coSession}`] = Number(count);
  }
  if (process_.exitCode === null && process_.signalCode === null) await once(process_, "exit");
  if (state === undefined)
    throw new Error(`the process ended with ${process_.exitCode} before it had checked the store`);
  expect(process_.signalCode).toBe("SIGKILL");
  return { state, acked };
}

async function killLater(process_: ChildProcess, ms: number): Promise<void> {
  await delay(ms);
  process_.kill("SIGKILL");
}
