import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import packageJson from "../package.json" with { type: "json" };
import { SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { envFlag, readDeployment } from "./deployment.ts";
import { askDigest, pinned, readPushed } from "./image-digest.ts";
import { setVariable } from "./wrangler-vars.ts";

export const DEPLOY_SPRITE_USAGE = `npm run deploy:sprite -- [options]      builds the Sprites' image and pushes it to Fly.io's registry
  --env NAME     environment of wrangler.toml, which names the app; production unless given
  --label LABEL  tag of the image (default v<version>-<time>)
  --local        build with this machine's docker instead of Fly.io's builder
  --write        write the image, by its digest, into wrangler.toml`;

const ROOT = fileURLToPath(new URL("..", import.meta.url));

/** flyctl's arguments: they build and push, and touch no Machine (facts/fly-machines §4). */
export function flyctlArguments(app: string, label: string, local: boolean): string[] {
  const where = local ? ["--local-only"] : ["--remote-only"];
  return [
    "deploy",
    "--config",
    "fly.toml",
    "--app",
    app,
    "--build-only",
    "--push",
    "--image-label",
    label,
    ...where,
  ];
}

async function deploySprite(args: string[]): Promise<void> {
  const { values } = parseArgs({
    args,
    options: {
      env: { type: "string" },
      label: { type: "string", default: defaultLabel(new Date()) },
      local: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
      dir: { type: "string", default: ROOT },
      help: { type: "boolean", short: "h", default: false },
    },
  });
  if (values.help) return console.log(DEPLOY_SPRITE_USAGE);
  const deployment = await readDeployment(values.dir, values.env, process.env);
  if (deployment.vars.FLEET === "sprites") {
    throw new SpriteSyncError(
      "config-invalid",
      `FLEET is sprites: they run no image. Their server is deployed with the edge: npm run deploy:edge --${envFlag(deployment)}`,
    );
  }
  const app = deployment.vars.FLY_APP_NAME ?? "";
  const output = await runFlyctl(flyctlArguments(app, values.label, values.local), values.dir);
  const pushed = readPushed(output, app);
  const token = deployment.secrets.FLY_API_TOKEN ?? "";
  const registry = process.env.FLY_REGISTRY_URL ?? "https://registry.fly.io";
  const image = pinned(pushed, pushed.digest ?? (await askDigest(pushed.image, token, registry)));
  console.log(`\npushed ${pushed.image}\nimage  ${image}`);
  const file = join(values.dir, "wrangler.toml");
  if (!values.write) {
    console.log(
      `\nWrite it into wrangler.toml (or run this with --write), then deploy the edge:\nSPRITE_IMAGE = "${image}"`,
    );
    return;
  }
  await writeFile(file, setVariable(await readFile(file, "utf8"), values.env, "SPRITE_IMAGE", image));
  console.log(`\nwritten into wrangler.toml; next: npm run deploy:edge --${envFlag(deployment)}`);
}

function defaultLabel(now: Date): string {
  return `v${packageJson.version}-${now.toISOString().replace(/\D/g, "").slice(0, 14)}`;
}

/** Runs flyctl in the operator's terminal. @returns what it printed, too. */
async function runFlyctl(args: string[], cwd: string): Promise<string> {
  console.log(`flyctl ${args.join(" ")}`);
  // Plain output: the builder's last lines name the digest.
  const env = { ...process.env, NO_COLOR: "1", BUILDKIT_PROGRESS: "plain" };
  const child = spawn("flyctl", args, { cwd, env, stdio: ["inherit", "pipe", "pipe"] });
  let output = "";
  for (const [stream, target] of [
    [child.stdout, process.stdout],
    [child.stderr, process.stderr],
  ] as const) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      output += text;
      target.write(text);
    });
  }
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once("close", resolve);
    child.once("error", (cause) => {
      const install = "curl -L https://fly.io/install.sh | sh";
      reject(
        new SpriteSyncError("config-invalid", `flyctl cannot be started; install it: ${install}`, { cause }),
      );
    });
  });
  if (code !== 0) throw new SpriteSyncError("transient", `flyctl ended with ${code}; nothing was changed`);
  return output;
}

if (import.meta.main) {
  deploySprite(process.argv.slice(2)).catch((error: unknown) => {
    console.error(toSpriteSyncError(error, "config-invalid").message);
    process.exitCode = 1;
  });
}
