import type { TestStack } from "./test-stack.ts";

/** What `npm run fleet` finds in its environment to work on a stack of Fly Machines. */
export function fleetSettings({ fleet, passKeys, syncUrl }: TestStack): Record<string, string> {
  return {
    FLY_API_URL: fleet.apiUrl,
    FLY_APP_URL: fleet.appUrl,
    FLY_APP_NAME: fleet.appName,
    FLY_API_TOKEN: fleet.token,
    FLY_PACE: "none",
    PASS_KEYS: passKeys,
    SYNC_URL: syncUrl,
    SPRITE_IMAGE: "sprite-sync:local",
    SPRITE_REGIONS: "fra,nrt",
    SPRITE_DURABILITY: "flush",
  };
}
