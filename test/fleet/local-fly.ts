import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { expect } from "vitest";
import {
  type ApiExchange,
  type FleetHost,
  type FleetHostOptions,
  type MachineChange,
  processRunner,
  startFleetHost,
} from "../../dev/fleet/index.ts";
import type { Fleet } from "../../edge/fleet/fleet.ts";
import { createMachinesFleet, type MachinesFleetDeps } from "../../edge/fleet/machines.ts";
import { type GroupId, idFromHash } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { loadOpenApi } from "./openapi.ts";

const node = fileURLToPath(new URL("../../node_modules/.bin/node", import.meta.url));
const program = fileURLToPath(new URL("./fixtures/tiny-sprite.ts", import.meta.url));
const openApi = loadOpenApi();

export const quiet: Log = { debug() {}, info() {}, warn() {}, error() {} };

/** The command that stands for a Sprite's image. */
export const tinySprite = () => ({ file: node, args: [program] });

/** A home group that no other test uses. */
export function newHome(): GroupId {
  return idFromHash(crypto.getRandomValues(new Uint8Array(19))) as GroupId;
}

export interface LocalFly {
  readonly host: FleetHost;
  readonly dataDir: string;
  readonly changes: MachineChange[];
  /** Calls of the API so far that bear this `operationId`. */
  calls(operation: string): ApiExchange[];
  /** Another client of the same app, with nothing in common but the API. */
  fleet(overrides?: Partial<MachinesFleetDeps>): Fleet;
  /** Ends the host and starts another one on the same data. */
  restart(): Promise<LocalFly>;
  /** Ends the host, removes its data, and checks all calls against Fly's OpenAPI document. */
  end(): Promise<void>;
}

/** A local fleet host whose Machines run `fixtures/tiny-sprite.ts`. */
export async function startLocalFly(
  options: Partial<FleetHostOptions> = {},
  dataDir?: string,
): Promise<LocalFly> {
  const dir = dataDir ?? (await mkdtemp(join(tmpdir(), "fleet-")));
  const exchanges: ApiExchange[] = [];
  const changes: MachineChange[] = [];
  const host = await startFleetHost({
    dataDir: dir,
    log: quiet,
    runner: processRunner(tinySprite),
    appSecrets: { PASS_KEYS: "a-secret-of-the-app" },
    onChange: (change) => changes.push(change),
    onExchange: (exchange) => exchanges.push(exchange),
    ...options,
  });
  const endHost = async () => {
    await host.close(5_000);
    const violations = exchanges.filter(({ faulted }) => !faulted).flatMap(openApi.violations);
    expect([...new Set(violations)]).toEqual([]);
  };
  return {
    host,
    dataDir: dir,
    changes,
    calls: (operation) => exchanges.filter((exchange) => exchange.operation === operation),
    fleet: (overrides) => createMachinesFleet({ ...fleetDeps(host), ...overrides }),
    async restart() {
      await endHost();
      return startLocalFly(options, dir);
    },
    async end() {
      await endHost();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

function fleetDeps(host: FleetHost): MachinesFleetDeps {
  return {
    apiUrl: host.apiUrl,
    appUrl: host.appUrl,
    appName: host.appName,
    token: host.token,
    image: "registry.fly.io/sprite-sync@sha256:0123456789abcdef",
    guest: { cpu_kind: "shared", cpus: 1, memory_mb: 512 },
    volumeSizeGb: 1,
    upgradePercent: 100,
    regions: ["fra", "ams", "iad"],
    spriteEnv: (home) => ({ SPRITE_HOME: home }),
    fetch: (url, init) => fetch(url, init),
    log: quiet,
  };
}
