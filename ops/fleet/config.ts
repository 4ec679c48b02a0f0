import { fileURLToPath } from "node:url";
import { unstable_readConfig as readWranglerConfig } from "wrangler";
import { EDGE_SETTINGS, type EdgeConfig, parseConfig } from "../../edge/config.ts";
import { SpriteSyncError } from "../../shared/errors.ts";

const WRANGLER_TOML = fileURLToPath(new URL("../../wrangler.toml", import.meta.url));

/**
 * The edge's own settings, as it has them when it runs: `[vars]` of wrangler.toml, and what the environment says instead.
 * Secrets are in no file, so `FLY_API_TOKEN` and `PASS_KEYS` always come from the environment.
 *
 * @param environment the `[env.…]` of wrangler.toml, or none for production.
 * @throws SpriteSyncError `config-invalid`
 */
export function readEdgeConfig(
  environment: string | undefined,
  env: NodeJS.ProcessEnv,
): EdgeConfig & { readonly FLEET: "machines" } {
  const { vars } = readWranglerConfig({ config: WRANGLER_TOML, ...(environment && { env: environment }) });
  const given = EDGE_SETTINGS.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  const config = parseConfig({ ...vars, ...Object.fromEntries(given) });
  if (config.FLEET === "machines") return config;
  throw new SpriteSyncError(
    "config-invalid",
    "these commands are for Fly Machines; Fly Sprites are listed and destroyed with their own `sprite` command",
  );
}
