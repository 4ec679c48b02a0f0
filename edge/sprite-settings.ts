import type { EdgeConfig } from "./config.ts";

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
    SYNC_URL: config.SYNC_URL,
    // How the bucket is reached is secret, and comes as PASS_KEYS does.
    ...(config.SPRITE_BACKUP ? { SPRITE_BACKUP: config.SPRITE_BACKUP } : {}),
  };
}
