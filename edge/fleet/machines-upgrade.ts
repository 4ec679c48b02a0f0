import { toSpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { type SpriteName, spriteNameOf } from "../../shared/sprite-name.ts";
import type { SpriteRecord } from "./fleet.ts";
import type { MachinesApi } from "./machines-api.ts";
import { type MachineShape, machineRequest } from "./machines-config.ts";
import { type FlyMachine, imageOf, mountedVolume } from "./machines-types.ts";
import { isChosen } from "./upgrade.ts";

export interface UpgradeDeps {
  readonly api: MachinesApi;
  readonly shape: MachineShape;
  /** How many of the Sprites that run another image get this one at their next wake, percent. */
  readonly upgradePercent: number;
  readonly spriteEnv: (home: GroupId) => Readonly<Record<string, string>>;
  readonly log: Log;
}

/** Whether a Sprite shall run another image than it does. One whose image nobody knows is left alone. */
export function isOutdated(
  { name, image }: Pick<SpriteRecord, "name" | "image">,
  { shape, upgradePercent }: Pick<UpgradeDeps, "shape" | "upgradePercent">,
): boolean {
  return image !== "" && image !== shape.image && isChosen(name, upgradePercent);
}

/**
 * Gives a sleeping Machine the present image, and with it the present environment and guest; its disk and whatever Fly or
 * an operator added stay. An image that Fly refuses does not keep anybody waiting: the Machine is then started as it is.
 *
 * @returns whether its state has to be read again before it is started.
 * @throws SpriteSyncError `rate`, `auth`: nobody could start it now either.
 */
export async function upgradeMachine(
  machine: FlyMachine,
  home: GroupId,
  deps: UpgradeDeps,
): Promise<boolean> {
  const { api, shape, spriteEnv, log } = deps;
  const sprite: SpriteName = spriteNameOf(home);
  const volumeId = mountedVolume(machine);
  // Without its config nobody knows which disk it mounts (facts/fly-machines §1.5).
  if (!machine.config || !volumeId || !isOutdated({ name: sprite, image: imageOf(machine) }, deps))
    return false;
  const { config } = machineRequest(
    { sprite, home, volumeId, region: machine.region ?? "", env: spriteEnv(home) },
    shape,
  );
  const { mounts, metadata } = machine.config;
  const next = { ...machine.config, ...config, mounts, metadata: { ...metadata, ...config.metadata } };
  try {
    const done = await api.updateMachine(machine, next);
    if (done) log.info({ sprite, machine: machine.id, image: shape.image }, "Machine upgraded");
    return true;
  } catch (thrown) {
    const error = toSpriteSyncError(thrown, "transient");
    if (error.code === "rate" || error.code === "auth" || error.code === "gone") throw error;
    log.warn(
      { sprite, code: error.code, error: error.message },
      "upgrade failed; it starts with its old image",
    );
    // A timeout may have done it all the same, so that its version is another one.
    return error.code === "transient";
  }
}
