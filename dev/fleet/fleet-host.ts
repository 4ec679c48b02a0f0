import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Log } from "../../shared/log.ts";
import { machineHandlers } from "./api-machines.ts";
import { type ApiExchange, createApiServer } from "./api-server.ts";
import { volumeHandlers } from "./api-volumes.ts";
import { createFaults, type Faults } from "./faults.ts";
import type { MachineRecord, MachineState } from "./fly-model.ts";
import { closeServer, listen } from "./listen.ts";
import type { Machine, Source } from "./machine.ts";
import { createProxy } from "./proxy.ts";
import { reachMachine } from "./proxy-target.ts";
import { createRateLimits } from "./rate-limits.ts";
import { Registry } from "./registry.ts";
import type { Exit, Runner, RunSpec } from "./runner.ts";
import { killLeftover } from "./stale-process.ts";
import { FLEET_FILE, openStateFile, readState } from "./state-file.ts";

export interface FleetHostOptions {
  /** Directory of `fleet.json` and of one directory for each volume. */
  readonly dataDir: string;
  readonly runner: Runner;
  readonly log: Log;
  readonly appName?: string;
  /** Port of the Machines API on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  /** Port of the app's proxy on 127.0.0.1; 0, the default, takes a free one. */
  readonly proxyPort?: number;
  readonly region?: string;
  /** The app's secrets: part of every Machine's environment. */
  readonly appSecrets?: Readonly<Record<string, string>>;
  /** Whether the API keeps to Fly's rate limits; off by default, since they make a second of each creation. */
  readonly rateLimits?: boolean;
  /** Told of every change of a Machine's state, for a developer's log. */
  readonly onChange?: (change: MachineChange) => void;
  /** Told of every call of the API and its answer. */
  readonly onExchange?: (exchange: ApiExchange) => void;
}

/** One change in a Machine's life. */
export interface MachineChange {
  readonly name: string;
  readonly id: string;
  readonly state: MachineState;
  readonly source: Source;
  /** How its process ended, when that is what changed the state. */
  readonly exit?: Exit;
  readonly metadata: Readonly<Record<string, string>>;
}

/** A Machine as it is at one moment. */
export interface MachineSnapshot {
  readonly id: string;
  readonly name: string;
  readonly state: MachineState;
  readonly region: string;
  readonly metadata: Readonly<Record<string, string>>;
  readonly pid: number | undefined;
  /** Port of its service on 127.0.0.1, while it is started. */
  readonly port: number | undefined;
  readonly volumeId: string | undefined;
  /** Directory of its volume. */
  readonly volumeDir: string | undefined;
}

export interface FleetHost {
  readonly apiUrl: string;
  readonly appUrl: string;
  readonly appName: string;
  readonly token: string;
  readonly faults: Faults;
  /** All Machines that are not destroyed. */
  machines(): MachineSnapshot[];
  volumes(): { readonly id: string; readonly name: string; readonly region: string; readonly dir: string }[];
  /** Sends a signal to a Machine's process, as an accident would. */
  kill(machineId: string, signal: NodeJS.Signals): void;
  /** Stops every Machine (SIGTERM, SIGKILL after `graceMs`), then both servers. Resolves when all are gone. */
  close(graceMs?: number): Promise<void>;
}

const HOLD_MS = 60_000;
const CLOSE_GRACE_MS = 10_000;

/**
 * Fly on this computer: the Machines API below `apiUrl` + `/v1`, and the app's proxy at `appUrl`.
 * What it keeps of Fly's behaviour is in `machine.ts` and `proxy.ts`; what a Machine is here, a process or a container, is
 * the runner's business. State survives in `dataDir`: a new host finds the volumes, and the Machines stopped.
 */
export async function startFleetHost(options: FleetHostOptions): Promise<FleetHost> {
  const { log, appName = "sprite-sync-local", region = "lcl" } = options;
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  const earlier = await readState(dataDir, FLEET_FILE);
  const known = earlier?.machines ?? [];
  for (const record of known) {
    if (await killLeftover(record.pid, `FLY_MACHINE_ID=${record.id}`))
      log.warn({ machine: record.id }, "killed the process of an earlier host");
  }
  for (const machine of (await options.runner.endLeftovers?.(known.map(({ id }) => id))) ?? [])
    log.warn({ machine }, "removed the container of an earlier host");

  let closing = false;
  const faults = createFaults();
  const file = openStateFile(dataDir, FLEET_FILE, () => ({
    version: 1,
    app: appName,
    machines: registry
      .machines()
      .filter(({ state }) => state !== "destroyed")
      .map(({ record }) => record),
    volumes: registry.volumes(),
  }));
  const runSpec = async (record: MachineRecord): Promise<RunSpec> => {
    const mount = record.config.mounts?.[0];
    // Without a volume a Machine's disk is its own and lasts as long as the Machine.
    const volumeDir = mount ? registry.volumeDir(mount.volume) : join(dataDir, `machine_${record.id}`);
    await mkdir(volumeDir, { recursive: true });
    return runSpecOf(record, volumeDir, { appName, secrets: options.appSecrets ?? {} });
  };
  const changed = (machine: Machine, source: Source, exit?: Exit) => {
    if (machine.state !== "started" && machine.state !== "starting") proxy.drop(machine.record.id);
    file.save().catch((error: Error) => log.error({ error: error.message }, "cannot save the fleet's state"));
    options.onChange?.(changeOf(machine, source, exit));
  };
  const runnerFailed = ({ record }: Machine, error: Error) =>
    log.error({ machine: record.id, name: record.name, error: error.message }, "the runner failed");
  const registry: Registry = new Registry(
    {
      dataDir,
      region,
      save: file.save,
      machine: {
        isClosing: () => closing,
        runner: options.runner,
        runSpec,
        takeBootFault: faults.takeBoot,
        changed,
        runnerFailed,
      },
    },
    earlier,
  );
  const proxy = createProxy({
    reach: (request, visitor) => reachMachine(request, visitor, { registry, holdMs: HOLD_MS }),
    log,
  });
  const token = randomBytes(24).toString("hex");
  const api = createApiServer({
    appName,
    token,
    faults,
    allows: options.rateLimits ? createRateLimits().allows : () => true,
    log,
    onExchange: options.onExchange,
    handlers: { ...machineHandlers(registry, region), ...volumeHandlers(registry) },
  });
  // Written before anybody is told where we are: a host that cannot keep its state must not start.
  await file.save();

  return {
    apiUrl: await listen(api, options.port ?? 0),
    appUrl: await listen(proxy.server, options.proxyPort ?? 0),
    appName,
    token,
    faults,
    machines: () =>
      registry
        .machines()
        .filter(({ state }) => state !== "destroyed")
        .map((machine) => snapshotOf(machine, registry)),
    volumes: () =>
      registry.volumes().map(({ id, name, region }) => ({ id, name, region, dir: registry.volumeDir(id) })),
    kill: (machineId, signal) => registry.machine(machineId).kill(signal),
    async close(graceMs = CLOSE_GRACE_MS) {
      closing = true;
      const closed = [api, proxy.server].map(closeServer);
      await Promise.all(registry.machines().map((machine) => machine.shutdown(graceMs)));
      for (const server of [api, proxy.server]) server.closeAllConnections();
      await Promise.all(closed);
      await file.save();
    },
  };
}

function runSpecOf(
  { id, name, region, config }: MachineRecord,
  volumeDir: string,
  app: { readonly appName: string; readonly secrets: Readonly<Record<string, string>> },
): RunSpec {
  return {
    machineId: id,
    name,
    image: config.image,
    cpus: config.guest?.cpus ?? 1,
    memoryMb: config.guest?.memory_mb ?? 256,
    volumeDir,
    mountPath: config.mounts?.[0]?.path ?? "/data",
    internalPort: config.services?.[0]?.internal_port ?? 8080,
    env: { ...config.env, FLY_MACHINE_ID: id, FLY_APP_NAME: app.appName, FLY_REGION: region },
    secrets: app.secrets,
  };
}

function changeOf({ record }: Machine, source: Source, exit: Exit | undefined): MachineChange {
  const { name, id, state, config } = record;
  return { name, id, state, source, metadata: config.metadata ?? {}, ...(exit ? { exit } : {}) };
}

function snapshotOf(machine: Machine, registry: Registry): MachineSnapshot {
  const { id, name, state, region, config } = machine.record;
  const volumeId = config.mounts?.[0]?.volume;
  return {
    id,
    name,
    state,
    region,
    metadata: config.metadata ?? {},
    pid: machine.pid,
    port: machine.port,
    volumeId,
    volumeDir: volumeId && registry.volumeDir(volumeId),
  };
}
