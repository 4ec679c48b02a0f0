import { randomBytes } from "node:crypto";
import { mkdir } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import type { Log } from "../../../shared/log.ts";
import { createFaults, type Faults } from "../faults.ts";
import type { FleetHost, MachineChange, MachineSnapshot } from "../fleet-host.ts";
import { closeServer, listen } from "../listen.ts";
import { createProxy } from "../proxy.ts";
import { killLeftover } from "../stale-process.ts";
import { openStateFile, readState } from "../state-file.ts";
import { createSpritesServer, type SpritesExchange } from "./api-server.ts";
import { spritesHandlers } from "./handlers.ts";
import { LocalSprite } from "./local-sprite.ts";
import { GUEST_HOME, type SpriteState } from "./model.ts";
import { type Plan, SpritesRegistry } from "./registry.ts";
import type { ServiceEvent } from "./service.ts";
import { spritesStateSchema } from "./state-file.ts";
import { reachSprite } from "./target.ts";

export interface SpritesHostOptions {
  /** Directory of `sprites.json` and of one directory for each Sprite. */
  readonly dataDir: string;
  readonly log: Log;
  /** Ports on 127.0.0.1; 0, the default, takes a free one. */
  readonly port?: number;
  readonly proxyPort?: number;
  /** How long a Sprite without work runs on, and how long it stays warm after that. */
  readonly idleMs?: number;
  readonly coldAfterMs?: number;
  readonly plan?: Partial<Plan>;
  /** Which part of the time that a caller wants to watch a service for really passes; all of it unless given. */
  readonly watchScale?: number;
  /** Environment of all services, below their own. */
  readonly env?: Readonly<Record<string, string>>;
  /** Files that the host gives to anyone, below `filesUrl` under their own names. */
  readonly files?: readonly string[];
  readonly onChange?: (change: MachineChange) => void;
  readonly onLine?: (sprite: string, line: string) => void;
  readonly onExchange?: (exchange: SpritesExchange) => void;
}

/** The Sprites platform on this computer. What tests and a developer see of it is what they see of Machines. */
export interface SpritesHost extends FleetHost {
  readonly filesUrl: string;
  readonly faults: Faults;
  /** The organization's plan; a change counts from now on. */
  readonly plan: Plan;
  /** What a name that is taken is answered with. */
  duplicateStatus: 400 | 409;
  sprites(): LocalSprite[];
}

/** The longest that anybody was seen to wait for a pause is about twice this (facts/fly-sprites §4). */
const IDLE_MS = 30_000;
const COLD_AFTER_MS = 10 * 60_000;
const CLOSE_GRACE_MS = 10_000;
const FILE = { name: "sprites.json", schema: spritesStateSchema } as const;
/** Tells a Sprite's processes from others. */
const MARK = "LOCAL_SPRITE_ID";

/** Starts it: the Sprites API at `apiUrl`, the Sprites' own addresses at a port of their own. */
export async function startSpritesHost(options: SpritesHostOptions): Promise<SpritesHost> {
  const { log, idleMs = IDLE_MS, coldAfterMs = COLD_AFTER_MS } = options;
  const dataDir = resolve(options.dataDir);
  await mkdir(dataDir, { recursive: true });
  const earlier = (await readState(dataDir, FILE))?.sprites ?? [];
  for (const { id, services } of earlier) {
    for (const { pid } of services) await killLeftover(pid, `${MARK}=${id}`);
  }
  let closing = false;
  const faults = createFaults();
  const plan: Plan = {
    running: 100,
    warm: 100,
    creationsPerMinute: Number.POSITIVE_INFINITY,
    ...options.plan,
  };
  const token = `local/${randomBytes(24).toString("hex")}`;
  const file = openStateFile(dataDir, FILE, () => ({
    version: 1 as const,
    sprites: registry.sprites().map(({ state }) => state),
  }));
  const save = () =>
    void file.save().catch((error: Error) => log.error({ error: error.message }, "cannot save the Sprites"));
  const tell = (sprite: LocalSprite, state: MachineChange["state"], exit?: MachineChange["exit"]) => {
    const { name, state: record } = sprite;
    options.onChange?.({ name, id: record.id, state, source: "flyd", metadata: {}, ...(exit && { exit }) });
  };
  const statuses = new Map<LocalSprite, string>();
  const changed = (sprite: LocalSprite) => {
    save();
    if (statuses.get(sprite) === sprite.status) return;
    statuses.set(sprite, sprite.status);
    tell(sprite, sprite.status === "running" ? "started" : "stopped");
    if (sprite.status === "warm") registry.limitWarm();
  };
  const rootOf = (id: string) => join(dataDir, id);
  const make = (state: SpriteState): LocalSprite =>
    new LocalSprite(state, {
      root: rootOf(state.id),
      idleMs,
      coldAfterMs,
      env: { ...options.env, [MARK]: state.id },
      isClosing: () => closing,
      takeSlot: (sprite) => registry.takeSlot(sprite),
      takeBootFault: faults.takeBoot,
      cutConnections: ({ name }) => proxy.drop(name),
      changed,
      serviceEvent: (sprite, event) => serviceEvent(sprite, event, options, log),
    });
  const host = { duplicateStatus: 400 as 400 | 409 };
  let proxyUrl = "";
  const registry: SpritesRegistry = new SpritesRegistry(
    {
      plan,
      urlOf: (name) => `${proxyUrl}/${name}`,
      make,
      rootOf,
      duplicateStatus: () => host.duplicateStatus,
      save: file.save,
      removed: (sprite) => tell(sprite, "destroyed"),
    },
    earlier,
  );
  const proxy = createProxy({
    reach: (request, visitor) => reachSprite(request, visitor, { registry, token, faults }),
    log,
  });
  const api = createSpritesServer({
    token,
    faults,
    handlers: spritesHandlers(registry, options.watchScale ?? 1),
    files: new Map((options.files ?? []).map((path) => [basename(path), path])),
    log,
    onExchange: options.onExchange,
  });
  // Written before anybody is told where we are: a host that cannot keep its state must not start.
  await file.save();
  proxyUrl = await listen(proxy.server, options.proxyPort ?? 0);
  const apiUrl = await listen(api, options.port ?? 0);

  return Object.assign(host, {
    apiUrl,
    appUrl: proxyUrl,
    appName: "local",
    filesUrl: `${apiUrl}/files`,
    token,
    faults,
    plan,
    sprites: () => registry.sprites(),
    machines: () => registry.sprites().map((sprite) => snapshotOf(sprite, rootOf)),
    volumes: () => [],
    kill: (id: string, signal: NodeJS.Signals) =>
      registry
        .sprites()
        .find(({ state }) => state.id === id)
        ?.httpService?.signal(signal),
    async close(graceMs = CLOSE_GRACE_MS) {
      closing = true;
      const closed = [api, proxy.server].map(closeServer);
      await Promise.all(registry.sprites().map((sprite) => sprite.shutdown(graceMs)));
      for (const server of [api, proxy.server]) server.closeAllConnections();
      await Promise.all(closed);
      await file.save();
    },
  });
}

function serviceEvent(
  { name }: LocalSprite,
  event: ServiceEvent,
  { onLine }: Pick<SpritesHostOptions, "onLine">,
  log: Log,
): void {
  if (event.type === "stdout") onLine?.(name, event.data);
  if (event.type === "error")
    log.error({ sprite: name, error: event.data }, "a Sprite's service does not start");
  if (event.type === "exit") log.debug({ sprite: name, ...event.exit }, "a Sprite's server ended");
}

/** Where the Sprites fleet keeps a Sprite's store (edge/fleet/sprites-setup.ts), as the volume of a Machine. */
const STORE = `${GUEST_HOME}/sprite-sync/data`;

function snapshotOf(sprite: LocalSprite, rootOf: (id: string) => string): MachineSnapshot {
  const { id, name } = sprite.state;
  return {
    id,
    name,
    state: sprite.status === "running" ? "started" : "stopped",
    region: "lcl",
    metadata: {},
    pid: sprite.httpService?.pid,
    port: sprite.httpService?.port,
    volumeId: id,
    volumeDir: join(rootOf(id), STORE),
  };
}
