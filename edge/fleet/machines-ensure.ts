import { type SpriteSyncError, toSpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { type SpriteName, spriteNameOf } from "../../shared/sprite-name.ts";
import type { SpriteSpec } from "./fleet.ts";
import type { MachinesApi } from "./machines-api.ts";
import { type MachineShape, machineRequest } from "./machines-config.ts";
import { MACHINES_LIMITS } from "./machines-limits.ts";
import { isDying, spriteStateOf } from "./machines-states.ts";
import { type FlyMachine, mountedVolume } from "./machines-types.ts";
import { adoptVolume, type ChosenVolume, createVolume, isRegional } from "./machines-volume.ts";

export interface EnsureDeps {
  readonly api: MachinesApi;
  readonly shape: MachineShape;
  /** Regions that may be used, in order; those of a spec come first. */
  readonly regions: readonly string[];
  readonly spriteEnv: (home: GroupId) => Readonly<Record<string, string>>;
  readonly pause: (ms: number) => Promise<void>;
  readonly log: Log;
}

/** What one `ensure` knows and must not forget between its rounds. */
interface Attempt {
  readonly home: GroupId;
  readonly sprite: SpriteName;
  readonly regions: readonly string[];
  /** Disks that must not be used, nor Machines that mount them. */
  readonly without: readonly string[];
  /** Regions that refused; they are not asked again: retries tend to land in the same full one (§1.9). */
  readonly full: Set<string>;
  /** Volumes this attempt created, so surely empty: the only ones it may ever delete. */
  readonly ours: Set<string>;
}

/**
 * The Machine of a home: found, or created on a volume that was found or created.
 *
 * 1. Each round looks before it creates, so an answer that was lost (500, timeout, HTML) costs a round, not a twin.
 * 2. A Machine's name is unique in its app: of any number of callers one creates it, the others are refused and adopt it.
 * 3. A volume's name is not. Whoever created a volume that the Machine does not mount deletes it again; one that was
 *    there before is never deleted. What remains: a client that dies between both calls leaves an empty volume behind.
 *
 * @throws SpriteSyncError
 */
export async function ensureMachine(spec: SpriteSpec, deps: EnsureDeps): Promise<FlyMachine> {
  const attempt: Attempt = {
    home: spec.home,
    sprite: spriteNameOf(spec.home),
    regions: candidateRegions(spec.regions, deps.regions),
    without: spec.without ?? [],
    full: new Set(),
    ours: new Set(),
  };
  let failure: SpriteSyncError | undefined;
  let mayTryAgain = true;
  for (let rounds = 1; ; ) {
    const found = await findMachine(attempt.home, deps.api, failure !== undefined);
    const misled = found && attempt.without.includes(mountedVolume(found) ?? "");
    if (found && !misled && !isDying(found.state)) return settle(found, attempt, deps);
    // A Machine that a mover made on its copy and did not live to vouch for: nothing was acknowledged on it.
    if (found && misled) await deps.api.deleteMachine(found.id);
    if (failure && !mayTryAgain) throw failure;
    // Its name and volume are taken until it is gone; a wait that ends early is answered by the next round's refusal.
    if (found) await deps.api.waitMachine(found, "destroyed");
    else if (failure && !isRegional(failure)) await deps.pause(MACHINES_LIMITS.ensurePauseMs);
    const fullBefore = attempt.full.size;
    try {
      return await settle(await createMachine(attempt, deps), attempt, deps);
    } catch (error) {
      failure = toSpriteSyncError(error, "transient");
      if (failure.code === "auth") throw failure;
      mayTryAgain = isRegional(failure)
        ? attempt.full.size > fullBefore && canMoveOn(attempt)
        : (failure.code === "transient" || failure.code === "gone") &&
          ++rounds <= MACHINES_LIMITS.ensureRounds;
      deps.log.warn({ sprite: attempt.sprite, code: failure.code, reason: failure.message }, "create failed");
    }
  }
}

/**
 * The living Machine of a home. Its name decides, since metadata can be edited; metadata only shortens the list.
 * @param thorough also look through the whole app: right after a create, in case the filter lags behind.
 */
export async function findMachine(
  home: GroupId,
  api: MachinesApi,
  thorough = false,
): Promise<FlyMachine | undefined> {
  const name = spriteNameOf(home);
  const isIt = (machine: FlyMachine) => machine.name === name && spriteStateOf(machine.state) !== "gone";
  const found = (await api.listMachines(home)).find(isIt);
  return found || !thorough ? found : (await api.listMachines()).find(isIt);
}

async function createMachine(attempt: Attempt, deps: EnsureDeps): Promise<FlyMachine> {
  const { home, sprite } = attempt;
  const volume = await volumeFor(attempt, deps);
  const request = machineRequest(
    { home, sprite, volumeId: volume.id, region: volume.region, env: deps.spriteEnv(home) },
    deps.shape,
  );
  try {
    const machine = await deps.api.createMachine(request);
    deps.log.info(
      { sprite, machine: machine.id, volume: volume.id, region: volume.region },
      "Machine created",
    );
    return machine;
  } catch (error) {
    const failure = toSpriteSyncError(error, "transient");
    // The volume's host is full. Nothing can be in a volume we just made, so we leave both for another region.
    if (isRegional(failure) && attempt.ours.has(volume.id)) {
      attempt.full.add(volume.region);
      await deleteOurs(volume.id, attempt, deps);
    }
    throw failure;
  }
}

async function volumeFor(attempt: Attempt, deps: EnsureDeps): Promise<ChosenVolume> {
  const { sprite, regions, full } = attempt;
  const adopted = await adoptVolume(sprite, regions[0] ?? "", deps, attempt.without);
  if (adopted) return adopted;
  const created = await createVolume(sprite, regions, full, deps);
  attempt.ours.add(created.id);
  deps.log.info({ sprite, volume: created.id, region: created.region }, "volume created");
  return created;
}

/** Deletes what this attempt created and the Machine does not use. */
async function settle(machine: FlyMachine, attempt: Attempt, deps: EnsureDeps): Promise<FlyMachine> {
  const mounted = mountedVolume(machine);
  // Without a config (host unreachable, §1.5) nobody knows what is mounted, so nothing may be deleted.
  if (!mounted) return machine;
  for (const volume of [...attempt.ours]) {
    if (volume !== mounted) await deleteOurs(volume, attempt, deps);
  }
  return machine;
}

async function deleteOurs(volume: string, attempt: Attempt, { api, log }: EnsureDeps): Promise<void> {
  try {
    await api.deleteVolume(volume);
    attempt.ours.delete(volume);
  } catch (error) {
    // Somebody mounted it after all, or the API is down. An empty volume costs cents and harms nobody.
    log.warn(
      { sprite: attempt.sprite, volume, code: toSpriteSyncError(error, "transient").code },
      "volume kept",
    );
  }
}

/** Whether another region is left, and nothing of ours that the next round would adopt instead of going there. */
function canMoveOn({ ours, regions, full }: Attempt): boolean {
  return ours.size === 0 && regions.some((region) => !full.has(region));
}

function candidateRegions(wanted: readonly string[], allowed: readonly string[]): string[] {
  return [...new Set([...wanted.filter((region) => allowed.includes(region)), ...allowed])];
}
