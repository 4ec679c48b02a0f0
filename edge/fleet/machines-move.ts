import { SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { type SpriteName, spriteNameOf } from "../../shared/sprite-name.ts";
import type { AwakePeriod } from "../awake-periods.ts";
import type { MoveCommand, MoveView } from "../move-gate.ts";
import type { SpriteAddress, SpriteRecord } from "./fleet.ts";
import type { MachinesApi } from "./machines-api.ts";
import { copyNameOf, type MachineShape, machineRequest, volumeRequest } from "./machines-config.ts";
import { findMachine } from "./machines-ensure.ts";
import { MACHINES_LIMITS } from "./machines-limits.ts";
import { spriteStateOf } from "./machines-states.ts";
import { type FlyMachine, imageOf, mountedVolume } from "./machines-types.ts";
import { type NumberedVolume, volumesOf } from "./machines-volume.ts";

/** A command without its holder, which the gate adds. */
type Command = MoveCommand extends infer One
  ? One extends MoveCommand
    ? Omit<One, "holder">
    : never
  : never;

export interface MoveDeps {
  readonly api: MachinesApi;
  readonly shape: MachineShape;
  readonly spriteEnv: (home: GroupId) => Readonly<Record<string, string>>;
  readonly address: (sprite: SpriteRecord) => SpriteAddress;
  /** The group's coordinator. @throws SpriteSyncError what it refuses */
  readonly gate: (command: Command) => Promise<MoveView>;
  /** Dials the Sprite with a good pass that tells it nothing, and hears which awake period it is. @throws SpriteSyncError */
  readonly greet: (address: SpriteAddress) => Promise<AwakePeriod>;
  readonly pause: (ms: number) => Promise<void>;
  /** Told before each step. */
  readonly onStep: (step: MoveStep, detail: string) => void | Promise<void>;
  readonly log: Log;
}

export const MOVE_STEPS = [
  "hold",
  "clear",
  "stop",
  "copy",
  "exclude",
  "create",
  "verify",
  "switch",
  "remove",
  "settle",
] as const;
export type MoveStep = (typeof MOVE_STEPS)[number];

/** How long the group stays closed when the mover says nothing more: some of its slowest calls. */
const HOLD_MS = 90_000;
/** A copy into another region is filled block by block. */
const COPY_MS = 30 * 60_000;
const POLL_MS = 2_000;

export interface Moved {
  readonly sprite: SpriteRecord;
  readonly from: string;
}

/**
 * Moves a group to another region: a copy of its volume, a new Machine on it, then the old volume is removed.
 *
 * 1. Nobody is let in from `hold` to `switch`, and the old Machine is gone before the copy begins: what is copied has all
 *    that was ever acknowledged.
 * 2. The copy is named to the coordinator before a Machine can mount it (`exclude`), and the original from the switch on:
 *    at any moment the coordinator's own `ensure` comes out on the one disk that counts.
 * 3. A mover that was too slow has lost its hold and can change nothing any more (move-gate.ts).
 *
 * So it may end at any step: before the switch the group goes on where it was as soon as the hold is over, after it in the
 * new region. Called again, it first clears away what was left.
 *
 * @throws SpriteSyncError; the group has been let in again.
 */
export async function moveMachine(home: GroupId, region: string, deps: MoveDeps): Promise<Moved> {
  try {
    return await move(home, region, deps);
  } catch (error) {
    // A hold that cannot be ended now ends by itself.
    await deps.gate({ kind: "release" }).catch(() => undefined);
    throw error;
  }
}

async function move(home: GroupId, region: string, deps: MoveDeps): Promise<Moved> {
  const { api, gate, onStep } = deps;
  const sprite = spriteNameOf(home);
  const step = async (name: MoveStep, detail = "") => {
    await onStep(name, detail);
    if (name !== "hold" && MOVE_STEPS.indexOf(name) <= MOVE_STEPS.indexOf("switch")) await hold(deps);
  };
  await step("hold");
  const view = await hold(deps);
  await step("clear");
  const { machine, volume } = await present(home, view, deps);
  if (volume.region === region)
    throw new SpriteSyncError("config-invalid", `${home} is in ${region} already`);

  await step("stop", machine?.id);
  if (machine) await removeMachine(machine, deps);
  await step("copy", volume.id);
  const copy = await copyVolume(sprite, volume, region, deps);
  await step("exclude", copy.id);
  await gate({ kind: "without", disks: [copy.id] });
  await step("create", copy.id);
  const created = await api.createMachine(
    machineRequest(
      { sprite, home, volumeId: copy.id, region: copy.region, env: deps.spriteEnv(home) },
      deps.shape,
    ),
  );
  const record = recordOf(created, home, copy.region);
  await step("verify", created.id);
  const period = await verify(record, view, deps);
  await step("switch", created.id);
  await gate({ kind: "switch", sprite: record, period, disks: [volume.id] });
  await step("remove", volume.id);
  await remove(volume.id, deps);
  await step("settle");
  await gate({ kind: "settled" });
  return { sprite: record, from: volume.region ?? "" };
}

function hold({ gate }: MoveDeps): Promise<MoveView> {
  return gate({ kind: "hold", ms: HOLD_MS });
}

/**
 * The disk that counts and the Machine on it, after everything has been removed that an earlier move left.
 * @throws SpriteSyncError `gone` when the group has no disk.
 */
async function present(
  home: GroupId,
  { without }: MoveView,
  deps: MoveDeps,
): Promise<{ machine: FlyMachine | undefined; volume: NumberedVolume }> {
  const { api } = deps;
  let machine = await findMachine(home, api, true);
  if (machine && without.includes(mountedVolume(machine) ?? "")) {
    await removeMachine(machine, deps);
    machine = undefined;
  }
  const mounted = machine && mountedVolume(machine);
  if (machine && !mounted)
    throw new SpriteSyncError(
      "transient",
      `the host of Machine ${machine.id} is unreachable; try again later`,
    );
  const volumes = (await volumesOf(spriteNameOf(home), api)).filter(({ id }) => !without.includes(id));
  const volume = mounted
    ? volumes.find(({ id }) => id === mounted)
    : volumes.toSorted((a, b) => a.copy - b.copy)[0];
  if (!volume)
    throw new SpriteSyncError("gone", `${home} has no disk in this app: nothing was ever written to it`);
  for (const id of without) await remove(id, deps);
  // A copy that was broken off: nobody has mounted it, or it would be the disk that counts.
  for (const left of volumes) if (left.copy > volume.copy) await remove(left.id, deps);
  if (without.length > 0) await deps.gate({ kind: "settled" });
  return { machine, volume };
}

/** In order if it can be had; what was acknowledged is on the disk in any case. Resolves when its disk is free. */
async function removeMachine(machine: FlyMachine, { api, pause }: MoveDeps): Promise<void> {
  if (spriteStateOf(machine.state) !== "asleep") {
    await api.stopMachine(machine.id).catch(() => undefined);
    await api.waitMachine(machine, "stopped").catch(() => undefined);
  }
  await api.deleteMachine(machine.id);
  for (let tries = 0; ; tries++) {
    const left = await api.showMachine(machine.id);
    if (!left || spriteStateOf(left.state) === "gone") return;
    if (tries === 60) throw new SpriteSyncError("transient", `Machine ${machine.id} is not destroyed yet`);
    if (!(await api.waitMachine(left, "destroyed"))) await pause(MACHINES_LIMITS.ensurePauseMs);
  }
}

async function copyVolume(
  sprite: SpriteName,
  from: NumberedVolume,
  region: string,
  deps: MoveDeps,
): Promise<{ id: string; region: string }> {
  const { api, pause, shape } = deps;
  const request = volumeRequest(sprite, region, {
    ...shape,
    volumeSizeGb: Math.max(shape.volumeSizeGb, from.size_gb ?? 0),
  });
  const made = await api.createVolume({
    ...request,
    name: copyNameOf(sprite, from.copy + 1),
    source_volume_id: from.id,
  });
  for (let waited = 0; waited < COPY_MS; waited += POLL_MS) {
    const copy = waited === 0 ? made : await api.showVolume(made.id);
    if (copy?.state === "created") return { id: copy.id, region: copy.region || region };
    await hold(deps);
    await pause(POLL_MS);
  }
  throw new SpriteSyncError(
    "transient",
    `the copy ${made.id} was not complete after ${COPY_MS / 60_000} minutes`,
  );
}

/**
 * The copy's own count of its awake periods is the proof: an empty disk would ask for it, an old one would be behind.
 * @throws SpriteSyncError
 */
async function verify(sprite: SpriteRecord, { periods }: MoveView, deps: MoveDeps): Promise<AwakePeriod> {
  let failure: unknown;
  for (let tries = 0; tries < 5; tries++) {
    try {
      const period = await deps.greet(deps.address(sprite));
      if (period.number > (periods.latest?.number ?? 0)) return period;
      const older = `it counts ${period.number} awake periods, the coordinator has heard of ${periods.latest?.number}`;
      throw new SpriteSyncError("storage-failed", `the copy of the disk is not the newest: ${older}`);
    } catch (error) {
      if (error instanceof SpriteSyncError && error.code === "storage-failed") throw error;
      failure = error;
      await hold(deps);
      await deps.pause(POLL_MS);
    }
  }
  throw failure;
}

/** Deletes a volume that no Machine mounts any more; Fly may take a moment to notice that. */
async function remove(id: string, { api, pause, log }: MoveDeps): Promise<void> {
  for (let tries = 1; ; tries++) {
    try {
      await api.deleteVolume(id);
      log.info({ volume: id }, "volume removed");
      return;
    } catch (error) {
      if (tries === MACHINES_LIMITS.detachTries) throw error;
      await pause(MACHINES_LIMITS.ensurePauseMs);
    }
  }
}

function recordOf(machine: FlyMachine, home: GroupId, region: string): SpriteRecord {
  return {
    name: spriteNameOf(home),
    home,
    id: machine.id,
    region: machine.region || region,
    state: spriteStateOf(machine.state),
    image: imageOf(machine),
  };
}
