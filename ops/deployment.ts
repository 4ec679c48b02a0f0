import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { parseEnv } from "node:util";
import { SpriteSyncError } from "../shared/errors.ts";

/** What is going to be deployed: wrangler.toml as one environment of it reads, fly.toml, and the secrets that are at hand. */
export interface Deployment {
  /** Directory of the project. */
  readonly root: string;
  /** Environment of wrangler.toml; `undefined` is production, the top of the file. */
  readonly environment: string | undefined;
  readonly worker: WorkerConfig;
  readonly vars: Readonly<Record<string, string>>;
  /** Secrets of `.dev.vars` (or `.dev.vars.<environment>`), and of the environment of this process, which go first. */
  readonly secrets: Readonly<Record<string, string>>;
  /** `undefined`: there is no such file. */
  readonly fly: FlyConfig | undefined;
}

/** What we look at of wrangler's configuration. */
export interface WorkerConfig {
  readonly name?: string;
  readonly workers_dev?: boolean;
  readonly compatibility_date?: string;
  readonly vars: Readonly<Record<string, unknown>>;
  readonly kv_namespaces: readonly { readonly binding: string; readonly id?: string }[];
  readonly durable_objects: {
    readonly bindings: readonly { readonly name: string; readonly class_name: string }[];
  };
  readonly migrations: readonly { readonly new_sqlite_classes?: readonly string[] }[];
  readonly ratelimits?: readonly { readonly name: string; readonly namespace_id: string }[];
  readonly assets?: { readonly directory?: string; readonly binding?: string };
  readonly routes?: readonly (string | { readonly pattern: string })[];
}

export interface FlyConfig {
  readonly app?: string;
  readonly primary_region?: string;
  readonly build?: { readonly dockerfile?: string };
  readonly [section: string]: unknown;
}

type Wrangler = typeof import("wrangler");

/** The secrets of the edge. */
export const SECRETS = ["PASS_KEYS", "FLY_API_TOKEN", "SPRITES_API_TOKEN", "CLIENT_KEYS"] as const;

/**
 * Reads the files of a deployment.
 * @param env variables of this process: secrets may be there instead of in `.dev.vars`.
 * @throws SpriteSyncError `config-invalid` when wrangler.toml is missing, is no TOML, or lacks the environment.
 */
export async function readDeployment(
  root: string,
  environment: string | undefined,
  env: Readonly<Record<string, string | undefined>>,
): Promise<Deployment> {
  // Only now: it takes a second, which a question for the options should not.
  const wrangler = await import("wrangler");
  const worker = readWrangler(wrangler, join(root, "wrangler.toml"), environment);
  const file = [`.dev.vars.${environment}`, ".dev.vars"].find((name) => existsSync(join(root, name)));
  const kept = file ? parseEnv(readFileSync(join(root, file), "utf8")) : {};
  const secrets: Record<string, string> = {};
  for (const name of SECRETS) {
    const secret = env[name] ?? kept[name];
    if (secret) secrets[name] = secret;
  }
  const vars = Object.fromEntries(Object.entries(worker.vars).map(([name, value]) => [name, String(value)]));
  return { root, environment, worker, vars, secrets, fly: readFly(wrangler, join(root, "fly.toml")) };
}

function readWrangler(wrangler: Wrangler, path: string, environment: string | undefined): WorkerConfig {
  if (!existsSync(path)) throw invalid(`${path} is not there`);
  try {
    return wrangler.unstable_readConfig(
      { config: path, env: environment ?? "" },
      { hideWarnings: true },
    ) as WorkerConfig;
  } catch (error) {
    throw invalid(error instanceof Error ? error.message : String(error));
  }
}

/** With wrangler's parser: it is here anyway, and TOML is TOML. */
function readFly(wrangler: Wrangler, path: string): FlyConfig | undefined {
  if (!existsSync(path)) return undefined;
  try {
    return wrangler.experimental_readRawConfig({ config: path }).rawConfig as FlyConfig;
  } catch (error) {
    throw invalid(`fly.toml cannot be read: ${error instanceof Error ? error.message : error}`);
  }
}

function invalid(message: string): SpriteSyncError {
  return new SpriteSyncError("config-invalid", message);
}

/** ` --env staging`, or nothing, for commands that are shown. */
export function envFlag({ environment }: Pick<Deployment, "environment">): string {
  return environment ? ` --env ${environment}` : "";
}

/** Where a variable is written in wrangler.toml. */
export function varsSection({ environment }: Pick<Deployment, "environment">): string {
  return environment ? `[env.${environment}.vars]` : "[vars]";
}
