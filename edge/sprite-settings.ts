import { LIMITS } from "../shared/limits.ts";
import type { EdgeConfig } from "./config.ts";

/** A Fly Sprite's disk is much larger; so much of it is a group's, unless the configuration says otherwise. */
const SPRITES_DISK_GB = 10;

/** What the configuration says about Sprites as Fly Machines; for the edge, and for an operator's commands alike. */
export function machinesSettings(config: EdgeConfig & { FLEET: "machines" }) {
  return {
    apiUrl: config.FLY_API_URL,
    appUrl: config.FLY_APP_URL,
    appName: config.FLY_APP_NAME,
    token: config.FLY_API_TOKEN,
    image: config.SPRITE_IMAGE,
    upgradePercent: config.SPRITE_UPGRADE_PERCENT,
    guest: { cpu_kind: "shared", cpus: 1, memory_mb: config.SPRITE_MEMORY_MB },
    volumeSizeGb: config.SPRITE_VOLUME_GB,
    regions: config.SPRITE_REGIONS,
    // PASS_KEYS is not here: on Fly it is a secret of the app (docs/deploy.md).
    spriteEnv: (home: string) => spriteEnv(config, home),
  } as const;
}

/** The same for Sprites as Fly Sprites. */
export function spritesSettings(config: EdgeConfig & { FLEET: "sprites" }) {
  return {
    apiUrl: config.SPRITES_API_URL,
    token: config.SPRITES_API_TOKEN,
    release: config.SPRITE_RELEASE,
    upgradePercent: config.SPRITE_UPGRADE_PERCENT,
    passKeys: config.PASS_KEYS,
    spriteEnv: (home: string) => spriteEnv(config, home),
  } as const;
}

/** What every Sprite's server is told, wherever it runs. */
export function spriteEnv(config: EdgeConfig, home: string): Readonly<Record<string, string>> {
  return {
    SPRITE_HOME: home,
    SPRITE_SLEEP_AFTER: String(config.SPRITE_SLEEP_AFTER),
    SPRITE_SLEEP: config.SPRITE_SLEEP,
    SPRITE_DURABILITY: config.SPRITE_DURABILITY,
    SPRITE_STRANGER_KB: String(config.SPRITE_STRANGER_KB),
    SPRITE_STRANGER_VALUES: String(config.SPRITE_STRANGER_VALUES),
    SPRITE_MEMBER_MB: String(config.SPRITE_MEMBER_MB ?? LIMITS.memberMb * diskGbOf(config)),
    SYNC_URL: config.SYNC_URL,
    // How the bucket is reached is secret, and comes as PASS_KEYS does.
    ...(config.SPRITE_BACKUP ? { SPRITE_BACKUP: config.SPRITE_BACKUP } : {}),
  };
}

function diskGbOf(config: EdgeConfig): number {
  return config.FLEET === "machines" ? config.SPRITE_VOLUME_GB : SPRITES_DISK_GB;
}
