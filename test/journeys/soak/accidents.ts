import { mkdirSync, renameSync } from "node:fs";
import { rm } from "node:fs/promises";
import { setTimeout as pause } from "node:timers/promises";
import { until } from "../../support/until.ts";
import type { Chance } from "./chance.ts";
import type { Team } from "./team.ts";
import type { Machine, World } from "./world.ts";

/** For what a Sprite does by itself: to fall asleep in spite of reconnecting clients, to wake. */
const PATIENCE_MS = 90_000;
/** A wake takes about a quarter of a second: a kill in that time meets each part of it. */
const WAKE_MS = 300;

let disksLost = 0;

export function kill(world: World, { id }: Machine): void {
  world.stack.fleet.kill(id, "SIGKILL");
}

/** Its whole directory is gone, and its process with it if it has one. Nothing else can happen in between. */
export function loseDisk(world: World, { id, name, volumeDir }: Machine): void {
  if (!volumeDir) throw new Error(`${name} has no volume`);
  world.stack.fleet.kill(id, "SIGSTOP");
  const gone = `${volumeDir}.lost-${++disksLost}`;
  renameSync(volumeDir, gone);
  mkdirSync(volumeDir);
  world.stack.fleet.kill(id, "SIGKILL");
  world.begin(`removing ${gone}`, () => rm(gone, { recursive: true, maxRetries: 5 }));
}

/** Keeps everybody silent until the Sprite of `team` sleeps, then runs `then` with it asleep. */
export async function silence(world: World, team: Team, then: () => Promise<void>): Promise<void> {
  team.silent = true;
  try {
    await until(() => world.isAsleep(team), {
      what: `${team.sprite} falling asleep`,
      timeoutMs: PATIENCE_MS,
    });
    await then();
  } finally {
    team.silent = false;
  }
}

/** Wakes a sleeping Sprite by what `cause` does, and kills it before or while it serves. */
export async function killWhileWaking(
  world: World,
  team: Team,
  chance: Chance,
  cause: () => void,
): Promise<void> {
  const started = nextTime(world.onStarted, team.sprite);
  cause();
  await started;
  await pause(chance.between(0, WAKE_MS));
  kill(world, world.machineOf(team));
}

/** Kills a Sprite in the moment after its decision to sleep. */
export async function killWhileFallingAsleep(world: World, team: Team, chance: Chance): Promise<void> {
  const falling = nextTime(world.onFallingAsleep, team.sprite);
  team.silent = true;
  try {
    await falling;
    if (chance.is(0.5)) await pause(chance.between(0, 20));
    kill(world, world.machineOf(team));
  } finally {
    team.silent = false;
  }
}

/** A host that stands still for a while. */
export async function standStill(
  world: World,
  machine: Machine,
  ms: number,
  end: "SIGCONT" | "SIGKILL",
): Promise<void> {
  world.stack.fleet.kill(machine.id, "SIGSTOP");
  await pause(ms);
  world.stack.fleet.kill(machine.id, end);
}

function nextTime(listeners: Set<(sprite: string) => void>, sprite: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      listeners.delete(listener);
      reject(new Error(`${sprite} neither woke nor fell asleep in ${PATIENCE_MS} ms`));
    }, PATIENCE_MS);
    const listener = (name: string) => {
      if (name !== sprite) return;
      clearTimeout(timer);
      listeners.delete(listener);
      resolve();
    };
    listeners.add(listener);
  });
}
