import { homeOfSprite, type SpriteName } from "../../shared/sprite-name.ts";
import { copyNumberOf } from "./machines-config.ts";
import { isVolumeAlive, spriteStateOf } from "./machines-states.ts";
import { type FlyMachine, type FlyVolume, mountedVolume } from "./machines-types.ts";

/**
 * What should not be there.
 *
 * | kind | how it comes about | |
 * |---|---|---|
 * | `spare-volume` | a client died between two calls, or a move was broken off behind its last step; the group's Machine mounts another | may be deleted |
 * | `half-made-machine` | a Machine without a disk that exists: it can store nothing, and holds the name | may be deleted: the next write makes another one |
 * | `lone-volume` | the Machine was deleted by hand, or a client died before it made one: the next write comes back on this disk | holds data |
 * | `stuck-machine` | between two states for too long | Fly's support, or `fly machine destroy --force` |
 */
export interface Orphan {
  readonly kind: "spare-volume" | "half-made-machine" | "lone-volume" | "stuck-machine";
  readonly id: string;
  readonly name: string;
  readonly region: string;
  readonly deletable: boolean;
}

/** Names of volumes as `copyNameOf` makes them. */
const VOLUME_NAME = /^g_[a-z2-7]{24}([a-z2-7]{4}|_\d{3})$/;
/** What is younger may just be in the making, by an `ensure` or a move. */
const SETTLED_MS = 3_600_000;
/** Fly calls a Machine stuck after 5 minutes, after 10 when it is being updated (facts/fly-machines §1.8). */
const STUCK_MS = 600_000;

/** @param now milliseconds since 1970. */
export function findOrphans(
  machines: readonly FlyMachine[],
  volumes: readonly FlyVolume[],
  now: number,
): Orphan[] {
  const settled = (at: string | null | undefined) => now - Date.parse(at ?? "") > SETTLED_MS;
  const alive = volumes.filter(({ state }) => isVolumeAlive(state));
  const ours = machines.filter(
    ({ name, state }) => homeOfSprite(name ?? "") !== undefined && spriteStateOf(state) !== "gone",
  );
  const mounted = new Set(machines.map(mountedVolume));
  const found: Orphan[] = [];
  for (const machine of ours) {
    const volume = mountedVolume(machine);
    // Without its config nobody knows what it mounts (§1.5).
    const known = machine.config && machine.host_status !== "unreachable";
    const hasDisk = volume !== undefined && alive.some(({ id }) => id === volume);
    if (known && !hasDisk && settled(machine.created_at)) found.push(of("half-made-machine", machine, true));
    else if (
      spriteStateOf(machine.state) === "moving" &&
      now - Date.parse(machine.updated_at ?? "") > STUCK_MS
    )
      found.push(of("stuck-machine", machine, false));
  }
  for (const volume of alive) {
    if (!VOLUME_NAME.test(volume.name ?? "") || mounted.has(volume.id) || volume.attached_machine_id)
      continue;
    const machine = ours.find(
      ({ name }) => copyNumberOf(name as SpriteName, volume.name ?? "") !== undefined,
    );
    if (!machine) found.push(of("lone-volume", volume, false));
    else {
      const inUse = alive.find(({ id }) => id === mountedVolume(machine));
      // Behind a copy that is young a move may not have come to its end, and may yet go back.
      if (inUse && settled(inUse.created_at) && settled(volume.created_at))
        found.push(of("spare-volume", volume, true));
    }
  }
  return found;
}

function of(kind: Orphan["kind"], { id, name, region }: FlyMachine | FlyVolume, deletable: boolean): Orphan {
  return { kind, id, name: name ?? "", region: region ?? "", deletable };
}
