import { cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pino } from "pino";
import { dockerRunner, HOST_NAME, openToContainers } from "../../dev/fleet/index.ts";
import { PLATFORMS, type Platform } from "../../dev/platforms.ts";
import { type Stack, type StackOptions, startStack } from "../../dev/stack.ts";
import { levelOfWorkerd } from "../../dev/stack-log.ts";
import type { CoValueId, GroupId } from "../../shared/ids.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { openStorage } from "../../sprite/storage/index.ts";
import { SPRITE_BUNDLE } from "./sprite-bundle.ts";
import { type UntilOptions, until } from "./until.ts";

export interface TestStackOptions extends Partial<StackOptions> {
  /** What workerd itself rightly says of what the test does. */
  readonly expectedErrors?: RegExp;
}

export interface TestStack extends Stack {
  /** What Sprites and the edge logged, to be shown when a test fails. */
  readonly lines: string[];
  /** What of that is an ERROR: of the edge, of a Sprite, or of workerd itself. */
  readonly errors: string[];
  /** @throws Error when workerd itself logged an ERROR meanwhile: whatever happens to an edge, it handles it. */
  close(): Promise<void>;
  machineOf(home: string): ReturnType<Stack["fleet"]["machines"]>[number];
  /** Where a Sprite can be visited past the edge, and what opens the fleet's own door, but no pass. */
  doorOf(home: string): { readonly url: string; readonly headers: Record<string, string> };
  /** Waits until the Sprite of `home` has no process. */
  asleep(home: string): Promise<void>;
  /** Waits until every Sprite has no process. */
  allAsleep(options?: Pick<UntilOptions, "timeoutMs">): Promise<void>;
}

/** Which of Fly's platforms the journeys are made on: `TEST_FLEET=sprites npx vitest run test/journeys`. */
export const TEST_FLEET: Platform = PLATFORMS.find((name) => name === process.env.TEST_FLEET) ?? "machines";
/** Whether Sprites are containers: `npm run test:docker` sets it, and names the image. */
export const IN_DOCKER = process.env.TEST_FLEET === "docker";
/** The call of its API that makes a Sprite, as faults name it. */
export const CREATE_CALL = TEST_FLEET === "machines" ? "Machines_create" : "createSprite";
/** Sprites pause as soon as nothing is connected: a test waits for it, where a person would not notice. */
const PAUSE_AFTER_MS = 300;

/** Marks what workerd says itself, in place of the Worker. */
const WORKERD = "workerd";

/** The whole product, with a temporary directory unless one is given. Verbose with TEST_LOG=1. */
export async function startTestStack(options: TestStackOptions = {}): Promise<TestStack> {
  const lines: string[] = [];
  const errors: string[] = [];
  const start = performance.now();
  const keep = (line: string) => {
    lines.push(line);
    if (process.env.TEST_LOG) console.log(`${(performance.now() - start).toFixed(0)} ms ${line}`);
  };
  const onSpriteLine = (sprite: string, line: string) => {
    keep(`${sprite} ${line}`);
    if (line.startsWith('{"level":50,')) errors.push(`${sprite} ${line}`);
    options.onSpriteLine?.(sprite, line);
  };
  const stack = await startStack({
    log: pino({ level: "silent" }),
    sleepAfter: 0,
    platform: TEST_FLEET,
    pauseAfterMs: PAUSE_AFTER_MS,
    spriteEntry: SPRITE_BUNDLE,
    ...(IN_DOCKER && inContainers(onSpriteLine)),
    ...options,
    onMachine: (change) => {
      keep(`machine ${change.name} ${change.state} ${JSON.stringify(change.exit ?? "")}`);
      options.onMachine?.(change);
    },
    onSpriteLine,
    onEdgeLine: (line, isError) => {
      keep(`edge ${line}`);
      if (line.startsWith('{"level":"error"')) errors.push(`edge ${line}`);
      // "stack:" goes on with the line before it.
      else if (!/^\{|^stack: /.test(line) && levelOfWorkerd(line, isError) === "error")
        errors.push(`${WORKERD} ${line}`);
      options.onEdgeLine?.(line, isError);
    },
  });
  const machineOf = (home: string) => {
    const name = spriteNameOf(home as GroupId);
    const machine = stack.fleet.machines().find((candidate) => candidate.name === name);
    if (!machine) throw new Error(`${home} has no Sprite`);
    return machine;
  };
  return Object.assign(Object.create(stack) as Stack, {
    lines,
    errors,
    async close() {
      await stack.close();
      const own = errors.filter((line) => line.startsWith(WORKERD) && !options.expectedErrors?.test(line));
      if (own.length > 0)
        throw new Error(`workerd logged ${own.length} lines of ERROR:\n${own.slice(0, 6).join("\n")}`);
    },
    machineOf,
    doorOf: (home: string) => {
      const { appUrl, token } = stack.fleet;
      const { id, name } = machineOf(home);
      const address = appUrl.replace("http", "ws");
      return options.platform === "sprites" || (!options.platform && TEST_FLEET === "sprites")
        ? { url: `${address}/${name}/sync`, headers: { authorization: `Bearer ${token}` } }
        : { url: `${address}/sync`, headers: { "fly-force-instance-id": id } };
    },
    asleep: async (home: string) =>
      void (await until(() => machineOf(home).state === "stopped", {
        what: `the Sprite of ${home} falling asleep`,
      })),
    allAsleep: async (options?: Pick<UntilOptions, "timeoutMs">) =>
      void (await until(() => stack.fleet.machines().every(({ state }) => state === "stopped"), {
        what: "all Sprites falling asleep",
        ...options,
      })),
  });
}

/** The stack's options for Sprites as containers. */
function inContainers(onLine: (sprite: string, line: string) => void): Partial<StackOptions> {
  return {
    runner: dockerRunner({ onOutput: ({ name }, line) => onLine(name, line) }),
    image: process.env.TEST_IMAGE,
    hostSeenBySprites: HOST_NAME,
    openToSprites: openToContainers,
  };
}

/** The ids of the CoValues in a Sprite's store, read from a copy: the Sprite may be running. */
export async function storedIds(volumeDir: string): Promise<CoValueId[]> {
  const copy = await mkdtemp(join(tmpdir(), "sprite-sync-copy-"));
  try {
    await cp(join(volumeDir, "hypercore-storage"), copy, { recursive: true });
    const storage = await openStorage(copy, { durability: "flush" });
    const { promise, resolve } = Promise.withResolvers<{ id: string }[]>();
    storage.getCoValueIDs(100_000, 0, resolve);
    const ids = (await promise).map(({ id }) => id as CoValueId);
    await storage.close();
    return ids;
  } finally {
    await rm(copy, { recursive: true, force: true });
  }
}
