import { type EdgeConfig, logOptions, parseConfig } from "./config.ts";
import type { Env } from "./env.ts";
import type { Fleet } from "./fleet/fleet.ts";
import { createMachinesFleet } from "./fleet/machines.ts";
import { APP_TURNS } from "./fleet/machines-limits.ts";
import { createPacer, type Pacer } from "./fleet/pacer.ts";
import { createSpritesFleet } from "./fleet/sprites.ts";
import { workersLog } from "./log.ts";
import { readRelease } from "./release.ts";
import { machinesSettings, spritesSettings } from "./sprite-settings.ts";

interface ConfiguredFleet {
  readonly fleet: Fleet;
  /** Regions that may be asked for; none where the platform chooses. */
  readonly regions: readonly string[];
}

const fleets = new WeakMap<object, ConfiguredFleet>();

/**
 * The fleet that the configuration names; one for each isolate.
 * @throws SpriteSyncError `config-invalid`
 */
export function fleetOf(env: Env): ConfiguredFleet {
  const known = fleets.get(env);
  if (known) return known;
  const config = parseConfig(env);
  const configured =
    config.FLEET === "machines"
      ? { fleet: machinesFleet(config, env), regions: config.SPRITE_REGIONS }
      : { fleet: spritesFleet(config, env), regions: [] };
  fleets.set(env, configured);
  return configured;
}

function machinesFleet(config: EdgeConfig & { FLEET: "machines" }, env: Env): Fleet {
  return createMachinesFleet({
    ...machinesSettings(config),
    ...(config.FLY_PACE === "fly" && { pacer: deploymentPacer(env) }),
    fetch: (url, init) => fetch(url, init),
    log: workersLog(logOptions(config)),
  });
}

/**
 * Turns that all share come from the deployment's queue; those of one Machine are asked for by its coordinator alone, and
 * are given out on the spot.
 */
function deploymentPacer(env: Env): Pacer {
  const own = createPacer(() => Date.now());
  return {
    next: (request) =>
      request.key.startsWith(APP_TURNS)
        ? env.FLY_QUEUE.get(env.FLY_QUEUE.idFromName("fly")).next(request)
        : own.next(request),
  };
}

function spritesFleet(config: EdgeConfig & { FLEET: "sprites" }, env: object): Fleet {
  return createSpritesFleet({
    ...spritesSettings(config),
    readRelease: () => readRelease(config.SPRITE_RELEASE, env),
    fetch: (url, init) => fetch(url, init),
    log: workersLog(logOptions(config)),
  });
}
