import { cp, mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { newMachineId, newUlid, newVolumeId } from "./fly-ids.ts";
import type { MachineConfig, MachineRecord, VolumeRecord } from "./fly-model.ts";
import { Machine, type MachineDeps } from "./machine.ts";
import { Refusal } from "./refusal.ts";
import type { FleetState } from "./state-file.ts";

export interface RegistryDeps {
  readonly dataDir: string;
  /** Region of what is created without one. */
  readonly region: string;
  readonly machine: MachineDeps;
  /** Called after a change of volumes; resolves when it is on disk. */
  readonly save: () => Promise<void>;
}

/** The app's Machines and volumes, and which belong together. */
export class Registry {
  readonly #deps: RegistryDeps;
  readonly #machines = new Map<string, Machine>();
  readonly #volumes = new Map<string, VolumeRecord>();

  /** @param state what an earlier host left: its Machines are stopped now, whatever they were. */
  constructor(deps: RegistryDeps, state: Pick<FleetState, "machines" | "volumes"> | undefined) {
    this.#deps = deps;
    for (const volume of state?.volumes ?? []) this.#volumes.set(volume.id, volume);
    for (const record of state?.machines ?? []) {
      if (record.state === "destroyed" || record.state === "destroying") continue;
      const state = record.state === "created" || record.state === "failed" ? record.state : "stopped";
      const { pid: _, ...kept } = record;
      this.#machines.set(record.id, new Machine({ ...kept, state }, deps.machine));
    }
  }

  /** All Machines, those destroyed since this host began included. */
  machines(): Machine[] {
    return [...this.#machines.values()];
  }

  /** @throws Refusal 404 */
  machine(id: string): Machine {
    const machine = this.#machines.get(id);
    if (!machine) throw new Refusal(404, `machine ${id} not found`);
    return machine;
  }

  volumes(): VolumeRecord[] {
    return [...this.#volumes.values()];
  }

  /** @throws Refusal 404 */
  volume(id: string): VolumeRecord {
    const volume = this.#volumes.get(id);
    if (!volume) throw new Refusal(404, `volume ${id} not found`);
    return volume;
  }

  /** Directory that stands for a volume's disk. */
  volumeDir(id: string): string {
    return join(this.#deps.dataDir, id);
  }

  /** The living Machine that mounts a volume. */
  mountedBy(volumeId: string): Machine | undefined {
    return this.machines().find(
      (machine) =>
        machine.state !== "destroyed" && machine.config.mounts?.some((mount) => mount.volume === volumeId),
    );
  }

  /** @param source a volume whose content it begins with. @throws Refusal 404 when there is no such volume. */
  async createVolume(input: Omit<VolumeRecord, "id" | "created_at">, source?: string): Promise<VolumeRecord> {
    const from = source === undefined ? undefined : this.volume(source);
    const volume = { ...input, id: newVolumeId(), created_at: new Date().toISOString() };
    await mkdir(this.volumeDir(volume.id), { recursive: true });
    if (from) await cp(this.volumeDir(from.id), this.volumeDir(volume.id), { recursive: true });
    this.#volumes.set(volume.id, volume);
    await this.#deps.save();
    return volume;
  }

  /** Deletes a volume and its directory. @throws Refusal 412 while it is attached. */
  async deleteVolume(id: string): Promise<VolumeRecord> {
    const volume = this.volume(id);
    const machine = this.mountedBy(id);
    if (machine) {
      throw new Refusal(
        412,
        `failed_precondition: volume is currently bound to machine: ${machine.record.id}`,
      );
    }
    this.#volumes.delete(id);
    await this.#deps.save();
    await rm(this.volumeDir(id), { recursive: true, force: true });
    return volume;
  }

  /** @throws Refusal 409 for a name that is taken, 400 or 412 for a volume that cannot be mounted. */
  async createMachine(input: {
    name: string | undefined;
    region: string | undefined;
    config: MachineConfig;
  }): Promise<Machine> {
    const id = newMachineId();
    const name = input.name ?? `machine-${id}`;
    if (this.machines().some((machine) => machine.state !== "destroyed" && machine.record.name === name)) {
      throw new Refusal(
        409,
        `already_exists: unique machine name violation, machine ID with name "${name}" exists`,
      );
    }
    const volume = this.#mountable(input.config);
    const region = input.region ?? volume?.region ?? this.#deps.region;
    if (volume && volume.region !== region) {
      throw new Refusal(400, `volume ${volume.id} is in region ${volume.region}, not in ${region}`);
    }
    const now = new Date().toISOString();
    const record: MachineRecord = {
      id,
      name,
      region,
      state: "created",
      instance_id: newUlid(),
      created_at: now,
      updated_at: now,
      config: input.config,
      events: [{ id: newUlid(), type: "launch", status: "created", source: "user", timestamp: Date.now() }],
    };
    const machine = new Machine(record, this.#deps.machine);
    this.#machines.set(id, machine);
    this.#deps.machine.changed(machine, "user");
    await this.#deps.save();
    return machine;
  }

  #mountable(config: MachineConfig): VolumeRecord | undefined {
    const id = config.mounts?.[0]?.volume;
    if (id === undefined) return undefined;
    const volume = this.#volumes.get(id);
    if (!volume) throw new Refusal(400, `volume ${id} not found`);
    const machine = this.mountedBy(id);
    if (!machine) return volume;
    throw new Refusal(
      412,
      `failed_precondition: volume ${id} is already attached to machine ${machine.record.id}`,
    );
  }
}
