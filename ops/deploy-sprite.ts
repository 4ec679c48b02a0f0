import { spawn } from "node:child_process";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { defineCommand } from "../cli/command.ts";
import { main } from "../cli/main.ts";
import type { Terminal } from "../cli/terminal.ts";
import packageJson from "../package.json" with { type: "json" };
import { SpriteSyncError } from "../shared/errors.ts";
import { envFlag, readDeployment } from "./deployment.ts";
import { askDigest, pinned, readPushed } from "./image-digest.ts";
import { setVariable } from "./wrangler-vars.ts";

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

/** `npm run deploy:sprite`. When it fails, wrangler.toml is as it was. */
export const DEPLOY_SPRITE = defineCommand({
  name: "deploy:sprite",
  about: "Builds the Sprites' image and pushes it to Fly.io's registry.",
  options: {
    env: {
      type: "string",
      value: "NAME",
      about: "environment of wrangler.toml, which names the app; production unless given",
    },
    label: { type: "string", value: "LABEL", about: "tag of the image (default v<version>-<time>)" },
    local: {
      type: "boolean",
      default: false,
      about: "build with this machine's docker instead of Fly.io's builder",
    },
    write: { type: "boolean", default: false, about: "write the image, by its digest, into wrangler.toml" },
    dir: {
      type: "string",
      default: ROOT,
      value: "DIR",
      about: "directory of wrangler.toml and fly.toml (default: this project)",
    },
  },
  async run(values, _operands, { print, env }) {
    const label = values.label ?? defaultLabel(new Date());
    const deployment = await readDeployment(values.dir, values.env, env);
    if (deployment.vars.FLEET === "sprites") {
      throw new SpriteSyncError(
        "config-invalid",
        `FLEET is sprites: they run no image. Their server is deployed with the edge: npm run deploy:edge --${envFlag(deployment)}`,
      );
    }
    const app = deployment.vars.FLY_APP_NAME ?? "";
    const output = await runFlyctl(flyctlArguments(app, label, values.local), values.dir, {
      print,
      env,
    });
    const pushed = readPushed(output, app);
    const token = deployment.secrets.FLY_API_TOKEN ?? "";
    const registry = env.FLY_REGISTRY_URL ?? "https://registry.fly.io";
    const image = pinned(pushed, pushed.digest ?? (await askDigest(pushed.image, token, registry)));
    print(`\npushed ${pushed.image}\nimage  ${image}`);
    const file = join(values.dir, "wrangler.toml");
    if (!values.write) {
      print(
        `\nWrite it into wrangler.toml (or run this with --write), then deploy the edge:\nSPRITE_IMAGE = "${image}"`,
      );
      return undefined;
    }
    await writeFile(file, setVariable(await readFile(file, "utf8"), values.env, "SPRITE_IMAGE", image));
    print(`\nwritten into wrangler.toml; next: npm run deploy:edge --${envFlag(deployment)}`);
    return undefined;
  },
});

function defaultLabel(now: Date): string {
  return `v${packageJson.version}-${now.toISOString().replace(/\D/g, "").slice(0, 14)}`;
}

/** Runs flyctl in the operator's terminal. @returns what it printed, too. */
async function runFlyctl(args: string[], cwd: string, { print, env: given }: Terminal): Promise<string> {
  print(`flyctl ${args.join(" ")}`);
  // Plain output: the builder's last lines name the digest.
  const env = { ...given, NO_COLOR: "1", BUILDKIT_PROGRESS: "plain" };
  const child = spawn("flyctl", args, { cwd, env, stdio: ["inherit", "pipe", "pipe"] });
  const lines: string[] = [];
  for (const input of [child.stdout, child.stderr]) {
    createInterface({ input }).on("line", (line) => {
      lines.push(line);
      print(line);
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
  return lines.join("\n");
}

if (import.meta.main) await main(DEPLOY_SPRITE);
