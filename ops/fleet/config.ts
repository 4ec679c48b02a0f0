import { fileURLToPath } from "node:url";
import { EDGE_SETTINGS, type EdgeConfig, parseConfig } from "../../edge/config.ts";
import { SpriteSyncError } from "../../shared/errors.ts";
import { readDeployment } from "../deployment.ts";

const ROOT = fileURLToPath(new URL("../..", import.meta.url));

/**
 * The edge's own settings, as it has them when it runs: `[vars]` of wrangler.toml, the secrets at hand, and what the
 * environment says instead.
 *
 * @param environment the `[env.…]` of wrangler.toml, or none for production.
 * @throws SpriteSyncError `config-invalid`
 */
export async function readEdgeConfig(
  environment: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<EdgeConfig & { readonly FLEET: "machines" }> {
  const { vars, secrets } = await readDeployment(ROOT, environment, env);
  const given = EDGE_SETTINGS.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  const config = parseConfig({ ...vars, ...secrets, ...Object.fromEntries(given) });
  if (config.FLEET === "machines") return config;
  throw new SpriteSyncError(
    "config-invalid",
    "these commands are for Fly Machines; Fly Sprites are listed and destroyed with their own `sprite` command",
  );
}
