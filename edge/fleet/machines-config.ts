import { SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import type { SpriteName } from "../../shared/sprite-name.ts";

/** CPU and memory of a Machine; at most 2048 MB, or it cannot be suspended (facts/fly-machines §2.5). */
export interface MachineGuest {
  readonly cpu_kind: "shared" | "performance";
  readonly cpus: number;
  /** MiB, a multiple of 256. */
  readonly memory_mb: number;
}

/** What all Sprites of a deployment have in common. */
export interface MachineShape {
  /** Image reference, in production by digest: `registry.fly.io/<app>@sha256:…`. */
  readonly image: string;
  readonly guest: MachineGuest;
  readonly volumeSizeGb: number;
}

/** Metadata key that finds a home's Machine without listing the whole app. */
export const HOME_METADATA = "sprite_home";
/** Metadata key with the image as we named it. */
export const IMAGE_METADATA = "sprite_image";
/** The port a Sprite listens on inside its Machine. */
export const SPRITE_PORT = 8080;
/** Where the volume is mounted; `Dockerfile.sprite` keeps the store below it. */
export const SPRITE_MOUNT = "/data";

const VOLUME_NAME_CHARS = 30;

/**
 * The name of a Sprite's volumes: `[a-z0-9_]`, at most 30 characters (facts/fly-machines §1.3), so the Sprite's name loses
 * its last three. The 140 bits of hash that remain still tell all homes apart.
 */
export function volumeNameOf(sprite: SpriteName): string {
  return sprite.replaceAll("-", "_").slice(0, VOLUME_NAME_CHARS);
}

const COPY_NAME_CHARS = 26;

/**
 * The name of the n-th copy of a Sprite's volume, made when it moved to another region; the 0th is the original. Copies are
 * told apart by name because a volume has nothing else to write on: whoever looks for a disk takes the one with the lowest
 * number, since a copy is complete only when its mover says so.
 */
export function copyNameOf(sprite: SpriteName, n: number): string {
  const original = volumeNameOf(sprite);
  return n === 0 ? original : `${original.slice(0, COPY_NAME_CHARS)}_${String(n).padStart(3, "0")}`;
}

/** Which copy of this Sprite's volume a name is, or `undefined` when it is another's. */
export function copyNumberOf(sprite: SpriteName, name: string): number | undefined {
  const original = volumeNameOf(sprite);
  if (name === original) return 0;
  const [, base, digits] = /^(.*)_(\d{3})$/.exec(name) ?? [];
  return base === original.slice(0, COPY_NAME_CHARS) ? Number(digits) : undefined;
}

/** Body of `POST …/volumes`. `compute` makes Fly choose a host that has room for the Machine too (§1.3). */
export function volumeRequest(sprite: SpriteName, region: string, shape: MachineShape) {
  return {
    name: volumeNameOf(sprite),
    region,
    size_gb: shape.volumeSizeGb,
    encrypted: true,
    require_unique_zone: false,
    compute: shape.guest,
  };
}

export interface MachineRequestInput {
  readonly sprite: SpriteName;
  readonly home: GroupId;
  readonly volumeId: string;
  /** The volume's region: a Machine must stand on its volume's host. */
  readonly region: string;
  readonly env: Readonly<Record<string, string>>;
}

/**
 * Body of `POST …/machines` (facts/fly-machines §1.4).
 * @throws SpriteSyncError `config-invalid` when `env` holds a `FLY_` name, which the platform refuses.
 */
export function machineRequest(
  { sprite, home, volumeId, region, env }: MachineRequestInput,
  shape: MachineShape,
) {
  const reserved = Object.keys(env).find((key) => key.startsWith("FLY_"));
  if (reserved)
    throw new SpriteSyncError("config-invalid", `spriteEnv sets ${reserved}: FLY_ names are Fly's own`);
  return {
    name: sprite,
    region,
    skip_launch: false,
    config: {
      image: shape.image,
      guest: shape.guest,
      env: { PORT: String(SPRITE_PORT), ...env },
      mounts: [{ volume: volumeId, path: SPRITE_MOUNT }],
      services: [httpService()],
      // Top-level checks inform and never take a Machine out of routing: a Sprite that replays a log is slow, not broken.
      checks: {
        healthz: {
          type: "http",
          port: SPRITE_PORT,
          method: "GET",
          path: "/healthz",
          interval: "30s",
          timeout: "5s",
          grace_period: "15s",
        },
      },
      // Exit code 0 is how a Sprite falls asleep: only `on-failure` lets it (§2.3).
      restart: { policy: "on-failure", max_retries: 5 },
      // The documents disagree about the default signal, and the default grace of 5 s is less than an ordered shutdown.
      stop_config: { signal: "SIGTERM", timeout: "10s" },
      metadata: { [HOME_METADATA]: home, [IMAGE_METADATA]: shape.image },
    },
  };
}

/** Autostop off and autostart on is what Fly names for "apps that shut down when idle" (§1.4). */
function httpService() {
  return {
    protocol: "tcp",
    internal_port: SPRITE_PORT,
    autostart: true,
    autostop: "off",
    min_machines_running: 0,
    ports: [{ port: 443, handlers: ["tls", "http"], http_options: { idle_timeout: 600 } }],
    concurrency: { type: "connections", soft_limit: 2_000, hard_limit: 4_000 },
  };
}

/** With `source_volume_id` it is a copy of that volume, in whatever region (§1.3). */
export type VolumeRequest = ReturnType<typeof volumeRequest> & { readonly source_volume_id?: string };
export type MachineRequest = ReturnType<typeof machineRequest>;
