import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { readSettings } from "../../dev/stack-settings.ts";
import { EDGE_SETTINGS, type EdgeConfig, parseConfig } from "../../edge/config.ts";
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
): Promise<EdgeConfig> {
  const { vars, secrets } = await readDeployment(ROOT, environment, env);
  const given = EDGE_SETTINGS.flatMap((name) => (env[name] === undefined ? [] : [[name, env[name]]]));
  return parseConfig({ ...vars, ...secrets, ...Object.fromEntries(given) });
}

/**
 * The edge's settings as `npm run dev` has chosen them for the stack that runs now.
 * @param dataDir its `--data`.
 * @throws SpriteSyncError `config-invalid` when none runs there.
 */
export async function readDevConfig(dataDir = join(ROOT, ".data/dev")): Promise<EdgeConfig> {
  return parseConfig(await readSettings(dataDir));
}
