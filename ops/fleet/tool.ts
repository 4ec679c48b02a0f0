import { UsageError } from "../../cli/failure.ts";
import { defineTool, type OptionValues } from "../../cli/tool.ts";
import type { EdgeConfig } from "../../edge/config.ts";
import { createMachinesFleet } from "../../edge/fleet/machines.ts";
import { createMachinesApi } from "../../edge/fleet/machines-api.ts";
import { createMachinesHttp } from "../../edge/fleet/machines-http.ts";
import { createPacer } from "../../edge/fleet/pacer.ts";
import { createSpritesFleet } from "../../edge/fleet/sprites.ts";
import { machinesSettings, spritesSettings } from "../../edge/sprite-settings.ts";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import type { Command, MachinesTools, Tools } from "./command.ts";
import { destroy } from "./commands/destroy.ts";
import { list } from "./commands/list.ts";
import { move } from "./commands/move.ts";
import { orphans } from "./commands/orphans.ts";
import { reindex } from "./commands/reindex.ts";
import { readDevConfig, readEdgeConfig } from "./config.ts";

const COMMANDS: Readonly<Record<string, Command>> = { list, orphans, destroy, move, reindex };
const NAME = "fleet";
const NO_RELEASE = `sprite-0.0.0-linux-x64-${"0".repeat(64)}.tgz`;

const say = (line: string) => void process.stderr.write(`${line}\n`);
const log: Log = {
  debug() {},
  info() {},
  warn: (_, message) => say(message),
  error: (_, message) => say(message),
};
const common = {
  fetch: (url: string, init: RequestInit) => fetch(url, init),
  pause: (ms: number) => new Promise<void>((next) => setTimeout(next, ms)),
  say,
  log,
};

/** `npm run fleet`. */
export const FLEET = defineTool({
  name: NAME,
  commands: COMMANDS,
  options: {
    env: { type: "string", value: "NAME", about: "environment of wrangler.toml; production unless given" },
    dev: {
      type: "boolean",
      about: "the stack that npm run dev runs on this computer, instead of a deployment",
    },
    data: { type: "string", value: "DIR", about: "with --dev: its --data (default .data/dev)" },
    json: { type: "boolean", about: "prints JSON" },
  },
  notes: `The settings are the edge's: [vars] of wrangler.toml (--env: of one of its environments), and what the environment sets
instead. The token and PASS_KEYS are read there, or in .dev.vars. A command ends with 1 when it could not be done.`,
  async run(command, operands, options, { print, env }) {
    const {
      lines,
      json,
      sound = true,
    } = await command.run(operands, options, toolsFor(await configOf(options, env)));
    print(options.json ? JSON.stringify(json) : lines.join("\n"));
    return sound ? 0 : 1;
  },
});

async function configOf(
  { dev, data, env }: OptionValues,
  variables: Readonly<Record<string, string | undefined>>,
): Promise<EdgeConfig> {
  if (dev && env !== undefined) throw new UsageError(NAME, "--dev and --env exclude each other");
  if (!dev && data !== undefined) throw new UsageError(NAME, "--data goes with --dev");
  if (dev) return readDevConfig(typeof data === "string" ? data : undefined);
  return readEdgeConfig(typeof env === "string" ? env : undefined, variables);
}

function toolsFor(config: EdgeConfig): Tools {
  return config.FLEET === "machines" ? machinesTools(config) : spritesTools(config);
}

function machinesTools(config: MachinesTools["config"]): Tools {
  // Beside the edge's own queue: a command makes a handful of calls, and repeats what Fly refuses for its rate.
  const pacer = config.FLY_PACE === "fly" ? createPacer(() => Date.now()) : undefined;
  const deps = {
    ...machinesSettings(config),
    ...(pacer && { pacer }),
    ...common,
  };
  const machines = { config, api: createMachinesApi(createMachinesHttp(deps)) };
  return { ...common, config, fleet: createMachinesFleet(deps), machines: () => machines };
}

function spritesTools(config: EdgeConfig & { readonly FLEET: "sprites" }): Tools {
  const fleet = createSpritesFleet({
    ...spritesSettings(config),
    ...common,
    // A command upgrades nobody, and puts a server nowhere: both are the edge's, which knows what `auto` was deployed as.
    release: NO_RELEASE,
    upgradePercent: 0,
    readRelease: async () => {
      throw new SpriteSyncError(
        "config-invalid",
        "it has no server; the next write to its group installs one",
      );
    },
  });
  const machines = () => {
    throw new SpriteSyncError("config-invalid", "Fly Sprites have neither volumes nor regions of ours");
  };
  return { ...common, config, fleet, machines };
}
