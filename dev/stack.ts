import { randomBytes } from "node:crypto";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { SpriteSyncError } from "../shared/errors.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import type { PlacementPolicy } from "../shared/placement.ts";
import { packRelease } from "../sprite/release.ts";
import { checkPort, lockData } from "./data-lock.ts";
import { type EdgeHost, type ExtraWorker, type RateLimits, startEdgeHost } from "./edge-host.ts";
import {
  type FleetHost,
  type MachineChange,
  processRunner,
  type Runner,
  startFleetHost,
  startSpritesHost,
} from "./fleet/index.ts";
import { keptPort } from "./kept-port.ts";
import { keptSecret } from "./kept-secret.ts";
import { endLeftover, keepProcess } from "./leftover-process.ts";
import type { Platform } from "./platforms.ts";
import { copyPage } from "./served-page.ts";
import { forgetSettings, keepSettings } from "./stack-settings.ts";

export interface StackOptions {
  /** Port of the edge; 0 takes a free one, the same for the same data if it can. */
  readonly port?: number;
  /** Where everything is kept. Without it: a new directory that `close` removes. */
  readonly dataDir?: string | undefined;
  /** Seconds without anything to do after which a Sprite sleeps; 0: never. */
  readonly sleepAfter?: number;
  readonly placement?: PlacementPolicy;
  readonly durability?: "flush" | "fsync";
  /** Which of Fly's platforms is played; machines unless given. Sprites need a built server as `spriteEntry`. */
  readonly platform?: Platform;
  /** How long a Sprite of sprites.dev runs on when nothing is connected to it, milliseconds. */
  readonly pauseAfterMs?: number;
  /** Regions that Sprites may live in (machines); one, `lcl`, unless given. */
  readonly regions?: readonly string[];
  /** Whether the API keeps to Fly's rate limits, and the edge below them; off unless given (machines). */
  readonly flyLimits?: boolean;
  /** Where every browser is, as Cloudflare's `request.cf` says it. */
  readonly cf?: Readonly<Record<string, string>>;
  readonly demoDir?: string | undefined;
  readonly edges?: number;
  /** More settings of the edge. */
  readonly edgeVars?: Readonly<Record<string, string>>;
  readonly rateLimits?: RateLimits;
  /** Runs this module as the edge: it exports what edge/worker.ts does. */
  readonly edgeEntry?: string;
  /** Told the fleet's public address, names the Workers that shall run beside the edge. */
  readonly extraWorkers?: (fleetAppUrl: string) => readonly ExtraWorker[];
  /** What runs Sprites; processes on this computer unless given. */
  readonly runner?: Runner;
  /** The program that those processes run: a bundle of the Sprite, or by default its sources. */
  readonly spriteEntry?: string;
  /** This computer's name as Sprites see it, for those that run in containers. */
  readonly hostSeenBySprites?: string;
  /** Lets Sprites in containers reach the edge's port on this computer; returns what ends it. */
  readonly openToSprites?: (port: number) => Promise<() => Promise<void>>;
  /** The Sprites' image; {@link SPRITE_IMAGE} unless given. */
  readonly image?: string | undefined;
  readonly logLevel?: "debug" | "info" | "warn" | "error";
  readonly log: Log;
  readonly onMachine?: (change: MachineChange) => void;
  readonly onSpriteLine?: (sprite: string, line: string) => void;
  readonly onEdgeLine?: (line: string, isError: boolean) => void;
}

/** The whole product on one computer: the edge in workerd, the fleet host, and Sprites as processes. */
export interface Stack extends Omit<EdgeHost, "close" | "pid"> {
  readonly fleet: FleetHost;
  readonly dataDir: string;
  readonly passKeys: string;
  /** The edge's settings, as they are now: what an operator's command has to be told. */
  readonly edgeSettings: Readonly<Record<string, string>>;
  /** Stops workerd alone and starts it again on the same state and port; with other settings from now on, if any are given. */
  restartEdge(vars?: Readonly<Record<string, string>>): Promise<void>;
  close(): Promise<void>;
}

/** The name under which Sprites' image is known here. Only the docker runner looks at it. */
export const SPRITE_IMAGE = "sprite-sync:local";

const SPRITE_SOURCES = fileURLToPath(new URL("../sprite/main.ts", import.meta.url));

export async function startStack(options: StackOptions): Promise<Stack> {
  const temporary = options.dataDir === undefined;
  const dataDir = options.dataDir ?? (await mkdtemp(join(tmpdir(), "sprite-sync-")));
  const lock = await takePlace(dataDir, options);
  // Sprites that an earlier stack left asleep verify passes with the key that they were given.
  const passKeys = await keptSecret(join(dataDir, "pass-key"), () => randomBytes(32).toString("hex"));
  const port = options.port || (await keptPort(join(dataDir, "edge-port")));
  const closeToSprites = await options.openToSprites?.(port);
  const { fleet, vars } = await startFleet(dataDir, passKeys, options);
  let edgeSettings = { ...vars, ...edgeVars(passKeys, port, options), ...options.edgeVars };
  const demoDir = options.demoDir && (await copyPage(options.demoDir, join(dataDir, "page")));
  const edgeProcess = join(dataDir, "edge-process.json");
  const startEdge = async () => {
    const host = await startEdgeHost({
      port,
      persistDir: join(dataDir, "edge"),
      demoDir,
      cf: options.cf,
      edges: options.edges ?? 1,
      entry: options.edgeEntry,
      extraWorkers: options.extraWorkers?.(fleet.appUrl) ?? [],
      vars: edgeSettings,
      rateLimits: options.rateLimits,
      onLog: options.onEdgeLine ?? (() => undefined),
    });
    await keepProcess(edgeProcess, host.pid);
    await keepSettings(dataDir, edgeSettings);
    return host;
  };
  let edge = await startEdge();
  return {
    get syncUrl() {
      return edge.syncUrl;
    },
    get pageUrl() {
      return edge.pageUrl;
    },
    syncUrlOf: (n) => edge.syncUrlOf(n),
    extraUrlOf: (name) => edge.extraUrlOf(name),
    fleet,
    dataDir,
    passKeys,
    get edgeSettings() {
      return edgeSettings;
    },
    async restartEdge(vars = {}) {
      edgeSettings = { ...edgeSettings, ...vars };
      await edge.close();
      edge = await startEdge();
    },
    async close() {
      await edge.close();
      await fleet.close();
      await closeToSprites?.();
      await rm(edgeProcess, { force: true });
      await forgetSettings(dataDir);
      await lock.close();
      // workerd may still be writing its last page when its process has been told to end.
      if (temporary) await rm(dataDir, { recursive: true, force: true, maxRetries: 10, retryDelay: 50 });
    },
  };
}

/**
 * Takes the data directory and makes sure of the port, before anything is started.
 * @returns the lock on the directory.
 */
async function takePlace(dataDir: string, { port, log }: StackOptions) {
  await mkdir(dataDir, { recursive: true });
  const lock = await lockData(dataDir);
  try {
    const pid = await endLeftover(join(dataDir, "edge-process.json"));
    if (pid) log.warn({ pid }, "ended workerd, which a stack that was killed had left");
    if (port) await checkPort(port);
    return lock;
  } catch (error) {
    await lock.close();
    throw error;
  }
}

function spriteCommand({ logLevel = "info", spriteEntry = SPRITE_SOURCES }: StackOptions) {
  return () => ({ file: process.execPath, args: [spriteEntry], env: { LOG_LEVEL: logLevel } });
}

/** The fleet's host, and the edge's settings that lead to it. */
async function startFleet(
  dataDir: string,
  passKeys: string,
  options: StackOptions,
): Promise<{ fleet: FleetHost; vars: Record<string, string> }> {
  return options.platform === "sprites"
    ? startSprites(dataDir, options)
    : startMachines(dataDir, passKeys, options);
}

async function startMachines(dataDir: string, passKeys: string, options: StackOptions) {
  const fleet = await startFleetHost({
    dataDir: join(dataDir, "fleet"),
    runner:
      options.runner ??
      processRunner(spriteCommand(options), (spec, line) => options.onSpriteLine?.(spec.name, line)),
    appSecrets: { PASS_KEYS: passKeys },
    rateLimits: options.flyLimits ?? false,
    proxyPort: await keptPort(join(dataDir, "fleet-port")),
    log: options.log,
    ...(options.onMachine && { onChange: options.onMachine }),
  });
  const vars = {
    FLEET: "machines",
    FLY_API_URL: fleet.apiUrl,
    FLY_APP_URL: fleet.appUrl,
    FLY_APP_NAME: fleet.appName,
    FLY_API_TOKEN: fleet.token,
    FLY_PACE: options.flyLimits ? "fly" : "none",
    SPRITE_IMAGE: options.image ?? SPRITE_IMAGE,
    SPRITE_REGIONS: (options.regions ?? ["lcl"]).join(","),
  };
  return { fleet, vars };
}

async function startSprites(dataDir: string, options: StackOptions) {
  if (options.runner || !options.spriteEntry) {
    throw new SpriteSyncError(
      "config-invalid",
      "the Sprites platform runs a built server, as processes: it takes no --docker",
    );
  }
  const release = await packRelease(dirname(options.spriteEntry), join(dataDir, "releases"));
  const fleet = await startSpritesHost({
    dataDir: join(dataDir, "sprites"),
    files: [release],
    proxyPort: await keptPort(join(dataDir, "fleet-port")),
    env: { LOG_LEVEL: options.logLevel ?? "info" },
    log: options.log,
    ...(options.pauseAfterMs !== undefined && { idleMs: options.pauseAfterMs }),
    ...(options.onMachine && { onChange: options.onMachine }),
    ...(options.onSpriteLine && { onLine: options.onSpriteLine }),
  });
  const vars = {
    FLEET: "sprites",
    SPRITES_API_URL: fleet.apiUrl,
    SPRITES_API_TOKEN: fleet.token,
    SPRITE_RELEASE: `${fleet.filesUrl}/${basename(release)}`,
  };
  return { fleet, vars };
}

function edgeVars(passKeys: string, port: number, options: StackOptions): Record<string, string> {
  return {
    PASS_KEYS: passKeys,
    PLACEMENT: options.placement ?? "root",
    // On one computer nothing costs money.
    SPRITE_CAPS: Object.keys(LIMITS.spriteCaps)
      .map((cap) => `${cap}=0`)
      .join(),
    SPRITE_SLEEP_AFTER: String(options.sleepAfter ?? 30),
    SPRITE_DURABILITY: options.durability ?? "flush",
    SYNC_URL: `ws://${options.hostSeenBySprites ?? "127.0.0.1"}:${port}/sync`,
    LOG_LEVEL: options.logLevel ?? "info",
    LOG_FORMAT: "json",
  };
}
