import type { GroupId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { homeOfSprite, type SpriteName, spriteNameOf } from "../../shared/sprite-name.ts";
import type { Fleet, SpriteRecord } from "./fleet.ts";
import { createMachinesApi, type MachinesApi } from "./machines-api.ts";
import type { MachineShape } from "./machines-config.ts";
import { ensureMachine, findMachine } from "./machines-ensure.ts";
import { createMachinesHttp, type MachinesHttpDeps } from "./machines-http.ts";
import { CREATION_TURN, MACHINES_LIMITS, paceOf } from "./machines-limits.ts";
import { spriteStateOf } from "./machines-states.ts";
import { type FlyMachine, imageOf, mountedVolume } from "./machines-types.ts";
import { isOutdated, upgradeMachine } from "./machines-upgrade.ts";
import { volumesOf } from "./machines-volume.ts";
import { wakeMachine } from "./machines-wake.ts";
import { takeTurn } from "./turns.ts";

export interface MachinesFleetDeps extends Omit<MachinesHttpDeps, "pause">, MachineShape {
  /** Origin of the app's proxy: `https://<app>.fly.dev`, or the local host's. */
  readonly appUrl: string;
  /** Regions that Sprites may live in, in order of preference; a spec's own come first. */
  readonly regions: readonly string[];
  /** Environment of a home's Sprite. No secrets: anyone with a token of the app can read it (facts/fly-machines §1.4). */
  readonly spriteEnv: (home: GroupId) => Readonly<Record<string, string>>;
  /** How many of the Sprites with another image get this one at their next wake, percent. */
  readonly upgradePercent: number;
  readonly log: Log;
  /** Waits; only tests pass another one. */
  readonly pause?: (ms: number) => Promise<void>;
}

/** Header by which fly-proxy sends a request to one Machine and to no other (facts/fly-machines §2.1). */
export const INSTANCE_HEADER = "fly-force-instance-id";

/**
 * Sprites as Fly Machines: one Machine and one volume for each home, all in one app.
 * The Machine is found by its name, which is a function of the home; nothing has to be remembered.
 */
export function createMachinesFleet(deps: MachinesFleetDeps): Fleet {
  const pause = deps.pause ?? ((ms) => new Promise<void>((next) => setTimeout(next, ms)));
  const api = createMachinesApi(createMachinesHttp({ ...deps, pause }));
  const upgradeDeps = { ...deps, api, shape: deps };
  const appUrl = deps.appUrl.replace(/\/+$/, "");

  return {
    async find(home) {
      const machine = await findMachine(home, api);
      return machine && recordOf(machine, home);
    },
    // No flight is shared here: workerd drops a promise when the Durable Object that began it is reset, and whoever else
    // awaited it would wait for ever. One flight per home is the coordinator's promise, one Machine per home is ours.
    async ensure(spec) {
      // Everybody's creations stand in one queue; whoever has to come back later keeps the place (pacer.ts).
      const turn = {
        key: CREATION_TURN,
        pace: paceOf("Machines_create"),
        patienceMs: MACHINES_LIMITS.turnMs,
      };
      await takeTurn(`create the Sprite of ${spec.home}`, { ...turn, holder: spec.home }, { ...deps, pause });
      return recordOf(await ensureMachine(spec, { ...deps, shape: deps, api, pause }), spec.home);
    },
    async wake(sprite) {
      const upgrade = (machine: FlyMachine) => upgradeMachine(machine, sprite.home, upgradeDeps);
      const machine = await wakeMachine(sprite.id, { api, pause, upgrade, now: () => Date.now() });
      return recordOf(machine, sprite.home);
    },
    // All Machines are behind one address. A cache may still have that of an earlier configuration.
    isOutdated: (sprite) => (sprite.url ?? appUrl) !== appUrl || isOutdated(sprite, upgradeDeps),
    address: (sprite) => ({ url: appUrl, headers: { [INSTANCE_HEADER]: sprite.id } }),
    // fly-proxy asks for nothing: the Sprite itself checks the pass.
    credentials: () => ({}),
    sleep: (sprite) => api.stopMachine(sprite.id),
    destroy: (sprite) => destroyMachine(sprite, api, pause),
    async list() {
      return (await api.listMachines()).flatMap((machine) => {
        const home = homeOfSprite(machine.name ?? "");
        return home && spriteStateOf(machine.state) !== "gone" ? [recordOf(machine, home)] : [];
      });
    },
  };
}

function recordOf(machine: FlyMachine, home: GroupId): SpriteRecord {
  return {
    name: spriteNameOf(home),
    home,
    id: machine.id,
    region: machine.region ?? "",
    state: spriteStateOf(machine.state),
    image: imageOf(machine),
  };
}

/** Machine first: a volume cannot be deleted while it is attached (facts/fly-machines §1.3). */
async function destroyMachine(
  sprite: { readonly id: string; readonly name: SpriteName },
  api: MachinesApi,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  const machine = await api.showMachine(sprite.id);
  if (machine && spriteStateOf(machine.state) !== "gone") {
    await api.deleteMachine(sprite.id);
    await api.waitMachine(machine, "destroyed");
  }
  const named = (await volumesOf(sprite.name, api)).map((volume) => volume.id);
  const mounted = machine && mountedVolume(machine);
  for (const volume of new Set(mounted ? [mounted, ...named] : named))
    await deleteDetached(volume, api, pause);
}

/** Deletes a volume whose Machine has just gone; Fly may take a moment to notice that it is free. */
async function deleteDetached(
  id: string,
  api: MachinesApi,
  pause: (ms: number) => Promise<void>,
): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      return await api.deleteVolume(id);
    } catch (error) {
      if (tries === MACHINES_LIMITS.detachTries) throw error;
      await pause(MACHINES_LIMITS.ensurePauseMs);
    }
  }
}
