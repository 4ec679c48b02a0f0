import { SpriteSyncError, toSpriteSyncError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import type { SpriteName } from "../../shared/sprite-name.ts";
import type { MachinesApi } from "./machines-api.ts";
import { copyNumberOf, type MachineShape, volumeRequest } from "./machines-config.ts";
import { isVolumeAlive } from "./machines-states.ts";
import type { FlyVolume } from "./machines-types.ts";

/** The volume a Machine shall mount, and the region that it thereby gets. */
export interface ChosenVolume {
  readonly id: string;
  readonly region: string;
}

export interface VolumeDeps {
  readonly api: MachinesApi;
  readonly shape: MachineShape;
  readonly log: Log;
}

/** A Sprite's volume, and which copy of it: 0 is the original. */
export type NumberedVolume = FlyVolume & { readonly copy: number };

/** Volumes of a Sprite that can still be mounted, in no order. */
export async function volumesOf(sprite: SpriteName, api: MachinesApi): Promise<NumberedVolume[]> {
  return (await api.listVolumes()).flatMap((volume) => {
    const copy = copyNumberOf(sprite, volume.name ?? "");
    return copy !== undefined && isVolumeAlive(volume.state) ? [{ ...volume, copy }] : [];
  });
}

/**
 * A volume that is there already, or `undefined`.
 *
 * Several exist when two clients raced and one died before it could delete its own. The one that was written to must
 * win, so the fullest is taken, then the oldest. A move that was broken off leaves a copy, which may be incomplete, so
 * the original comes before any copy; a move that was finished says by `without` which disk is not to be used.
 */
export async function adoptVolume(
  sprite: SpriteName,
  fallbackRegion: string,
  { api, log }: VolumeDeps,
  without: readonly string[] = [],
): Promise<ChosenVolume | undefined> {
  const found = (await volumesOf(sprite, api)).filter(({ id }) => !without.includes(id));
  if (found.length > 1)
    log.warn({ sprite, volumes: found.length }, "several volumes bear this Sprite's name");
  // A list in summary form leaves `bytes_used` out; the single read has it.
  const read =
    found.length > 1
      ? await Promise.all(found.map(async (v) => ({ ...((await api.showVolume(v.id)) ?? v), copy: v.copy })))
      : found;
  const best = [...read].sort(byFullest)[0];
  return best && { id: best.id, region: best.region || fallbackRegion };
}

function byFullest(a: NumberedVolume, b: NumberedVolume): number {
  return (
    a.copy - b.copy ||
    (b.bytes_used ?? 0) - (a.bytes_used ?? 0) ||
    ageOf(a) - ageOf(b) ||
    (a.id < b.id ? -1 : 1)
  );
}

function ageOf(volume: FlyVolume): number {
  return Date.parse(volume.created_at ?? "") || Number.MAX_SAFE_INTEGER;
}

/**
 * Creates a volume in the first of `regions` that has room. Regions that have none are added to `full`.
 * @throws SpriteSyncError the last region's `capacity` or `quota`; anything else of the first call that fails otherwise,
 * after which a volume may exist all the same.
 */
export async function createVolume(
  sprite: SpriteName,
  regions: readonly string[],
  full: Set<string>,
  { api, shape, log }: VolumeDeps,
): Promise<ChosenVolume> {
  let refusal = new SpriteSyncError("capacity", `no region is left to create ${sprite} in`);
  for (const region of regions.filter((candidate) => !full.has(candidate))) {
    try {
      const volume = await api.createVolume(volumeRequest(sprite, region, shape));
      // The answer decides: aliases and placement may name another region than we did (facts/fly-machines §5.16).
      return { id: volume.id, region: volume.region || region };
    } catch (error) {
      refusal = toSpriteSyncError(error, "transient");
      if (!isRegional(refusal)) throw refusal;
      full.add(region);
      log.warn({ sprite, region, code: refusal.code }, "region has no room for a volume");
    }
  }
  throw refusal;
}

/** Whether another region may say yes: no capacity, or the organization's quota, which Fly counts by region (§1.9). */
export function isRegional(error: SpriteSyncError): boolean {
  return error.code === "capacity" || error.code === "quota";
}
