import { afterAll, beforeAll, beforeEach } from "vitest";
import type { ApiFault } from "../../dev/fleet/index.ts";
import type { Fleet } from "../../edge/fleet/fleet.ts";
import type { SpritesFleetDeps } from "../../edge/fleet/sprites.ts";
import { SPRITES_LIMITS } from "../../edge/fleet/sprites-limits.ts";
import type { GroupId } from "../../shared/ids.ts";
import type { LogFields } from "../../shared/log.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { newHome, quiet } from "./local-fly.ts";
import { type LocalSprites, startLocalSprites } from "./local-sprites.ts";

/** How long a client waits that has no patience: enough for this computer, short for a test. */
const IMPATIENT_MS = 250;

/**
 * A local Sprites platform for the tests of one `describe`, and a new home and client for each of them.
 * @returns what changes from test to test as properties.
 */
export function spritesWorld() {
  let sprites: LocalSprites;
  let fleet: Fleet;
  let home: GroupId;
  /** Milliseconds; only pauses, and waiting in vain, make it pass. */
  let clock = 0;
  const logged: string[] = [];
  beforeAll(async () => {
    sprites = await startLocalSprites();
  });
  beforeEach(() => {
    sprites.host.faults.clear();
    sprites.host.duplicateStatus = 400;
    Object.assign(sprites.host.plan, { running: 100, creationsPerMinute: Number.POSITIVE_INFINITY });
    home = newHome();
    logged.length = 0;
    fleet = client();
  });
  afterAll(() => sprites.end());

  const keep = (_: LogFields, message: string) => void logged.push(message);
  /** A client whose pauses take next to no time, and its clock as long as they should. */
  const client = (overrides: Partial<SpritesFleetDeps> = {}) =>
    sprites.fleet({
      pause: async (ms) => {
        clock += ms;
        await new Promise((next) => setTimeout(next, 5));
      },
      now: () => clock,
      log: { ...quiet, info: keep, warn: keep },
      ...overrides,
    });
  return {
    get sprites() {
      return sprites;
    },
    get host() {
      return sprites.host;
    },
    get fleet() {
      return fleet;
    },
    get home() {
      return home;
    },
    get name() {
      return spriteNameOf(home);
    },
    get spec() {
      return { home, regions: [] };
    },
    get clock() {
      return clock;
    },
    logged,
    client,
    /** One that gives up early wherever `hangs` says that there will be no answer. */
    impatient: (hangs: (url: string) => boolean) =>
      client({
        fetch: async (url, init) => {
          if (!hangs(url)) return fetch(url, init);
          try {
            return await fetch(url, { ...init, signal: AbortSignal.timeout(IMPATIENT_MS) });
          } catch (error) {
            clock += SPRITES_LIMITS.probeMs;
            throw error;
          }
        },
      }),
    /** Puts a fault in for this test's Sprite: for ever, or so many times. */
    fault: (operation: string, fault: ApiFault, times?: number) =>
      sprites.host.faults.api(operation, fault, times === undefined ? {} : { times }),
    /** Has an operation answered so instead of being done. */
    answers: (operation: string, status: number, body?: unknown, times = 1) =>
      sprites.host.faults.api(operation, { kind: "answer", answer: { status, body } }, { times }),
    /** Calls of one operation about this test's Sprite. */
    calls: (operation: string) =>
      sprites.calls(operation).filter(({ machineId }) => machineId === spriteNameOf(home)),
    local() {
      const local = sprites.host.sprites().find(({ name }) => name === spriteNameOf(home));
      if (!local) throw new Error("the home has no Sprite");
      return local;
    },
    /** A request to the Sprite's own address with everything that the edge would send. */
    async visit(path: string, init: RequestInit = {}) {
      const url = `${sprites.host.appUrl}/${spriteNameOf(home)}`;
      return fetch(url + path, { ...init, headers: { ...init.headers, ...fleet.credentials({ url }) } });
    },
  };
}
