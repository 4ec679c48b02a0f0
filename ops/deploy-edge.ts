import { spawnSync } from "node:child_process";
import { existsSync } from "node:fs";
import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineCommand } from "../cli/command.ts";
import { main } from "../cli/main.ts";
import { buildDemo } from "../demo/build.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import { buildSprite } from "../sprite/build.ts";
import { packRelease } from "../sprite/release.ts";
import { type Deployment, readDeployment } from "./deployment.ts";
import { examine } from "./doctor.ts";
import { printFindings } from "./finding.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** wrangler's arguments. `--env=` says that production is meant, which wrangler otherwise asks to be told. */
export function wranglerArguments(options: {
  readonly environment: string | undefined;
  readonly dryRun: boolean;
  readonly secretsFile: string | undefined;
  /** Path of the Sprites' server among the assets. */
  readonly release: string | undefined;
}): string[] {
  const { environment = "", dryRun, secretsFile, release } = options;
  return [
    "deploy",
    `--env=${environment}`,
    ...(dryRun ? ["--dry-run"] : []),
    ...(secretsFile ? ["--secrets-file", secretsFile] : []),
    ...(release ? ["--var", `SPRITE_RELEASE:${release}`] : []),
  ];
}

/** `npm run deploy:edge`. Its exit code is wrangler's. */
export const DEPLOY_EDGE = defineCommand({
  name: "deploy:edge",
  about: "Examines the configuration, builds what the edge serves, deploys the Worker.",
  options: {
    env: { type: "string", value: "NAME", about: "environment of wrangler.toml; production unless given" },
    secrets: {
      type: "boolean",
      default: false,
      about: "also put the secrets of .dev.vars (.dev.vars.NAME) to Cloudflare",
    },
    "dry-run": {
      type: "boolean",
      default: false,
      about: "build and check everything, deploy nothing; needs no account",
    },
    force: { type: "boolean", default: false, about: "deploy although the doctor found problems" },
  },
  async run(values, _operands, { print, env }) {
    const deployment = await readDeployment(ROOT, values.env, env);
    const { PATH: path = "" } = env;
    const findings = await examine(deployment, { online: false, secrets: values.secrets, path });
    const wrong = findings.filter(({ level }) => level !== "ok");
    if (wrong.length > 0) print(printFindings(wrong));
    const sick = findings.some(({ level }) => level === "problem");
    if (sick && !values["dry-run"] && !values.force) {
      throw new SpriteSyncError("config-invalid", "not deployed: mend the problems above, or --force");
    }
    const release = await buildAssets(deployment);
    const secretsFile = values.secrets ? secretsFileOf(deployment) : undefined;
    const wrangler = wranglerArguments({
      environment: values.env,
      dryRun: values["dry-run"],
      secretsFile,
      release,
    });
    print(`wrangler ${wrangler.join(" ")}`);
    const { status } = spawnSync(
      process.execPath,
      [join(ROOT, "node_modules/wrangler/bin/wrangler.js"), ...wrangler],
      {
        cwd: ROOT,
        stdio: "inherit",
      },
    );
    return status ?? 1;
  },
});

/** The demo page and, for Fly Sprites, the server that is put into them. @returns the latter's path among the assets. */
async function buildAssets(deployment: Deployment): Promise<string | undefined> {
  const directory = join(ROOT, deployment.worker.assets?.directory ?? "dist/demo");
  await buildDemo(directory);
  // What an earlier deployment has put there would be uploaded, too.
  await rm(join(directory, "release"), { recursive: true, force: true });
  const { FLEET: fleet, SPRITE_RELEASE: release = "auto" } = deployment.vars;
  if (fleet !== "sprites" || release !== "auto") return undefined;
  if (process.platform !== "linux" || process.arch !== "x64") {
    throw new SpriteSyncError(
      "config-invalid",
      `Fly Sprites are Linux x86_64, this is ${process.platform}-${process.arch}: its native parts would not run there. Deploy from Linux, or in a container of node:24`,
    );
  }
  await buildSprite("dist/sprite");
  return `/release/${basename(await packRelease(join(ROOT, "dist/sprite"), join(directory, "release")))}`;
}

function secretsFileOf({ environment, root }: Deployment): string {
  const file = environment ? `.dev.vars.${environment}` : ".dev.vars";
  if (existsSync(join(root, file))) return file;
  throw new SpriteSyncError(
    "config-invalid",
    `there is no ${file}; npm run doctor says what belongs into it`,
  );
}

if (import.meta.main) await main(DEPLOY_EDGE);
