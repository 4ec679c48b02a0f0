import { parseArgs } from "node:util";
import type { EdgeConfig } from "../../edge/config.ts";
import { createMachinesFleet } from "../../edge/fleet/machines.ts";
import { createMachinesApi } from "../../edge/fleet/machines-api.ts";
import { createMachinesHttp } from "../../edge/fleet/machines-http.ts";
import { createPacer } from "../../edge/fleet/pacer.ts";
import { createSpritesFleet } from "../../edge/fleet/sprites.ts";
import { machinesSettings, spritesSettings } from "../../edge/sprite-settings.ts";
import { SpriteSyncError, toSpriteSyncError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import type { Command, MachinesTools, OptionValues, Tools } from "./command.ts";
import { destroy } from "./commands/destroy.ts";
import { list } from "./commands/list.ts";
import { move } from "./commands/move.ts";
import { orphans } from "./commands/orphans.ts";
import { reindex } from "./commands/reindex.ts";
import { readEdgeConfig } from "./config.ts";

const COMMANDS: Readonly<Record<string, Command>> = { list, orphans, destroy, move, reindex };
const CALL_CHARS = 24;
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

const USAGE = `npm run fleet -- <command> [--env NAME] [--json]

${Object.values(COMMANDS)
  .map(({ usage: [call, what] }) => `${call.padEnd(CALL_CHARS)}  ${what}`)
  .join("\n")}

The settings are the edge's: [vars] of wrangler.toml (--env: of one of its environments), and whatever the environment sets
instead. The token and PASS_KEYS are read there, or in .dev.vars. A command ends with 1 when it could not be done.`;

async function main([name = "", ...args]: string[]): Promise<void> {
  const command = COMMANDS[name];
  if (!command) throw new SpriteSyncError("config-invalid", USAGE);
  const { operands, options } = parse(command, args);
  const environment = typeof options.env === "string" ? options.env : undefined;
  const { lines, json } = await command.run(operands, options, await openTools(environment));
  process.stdout.write(options.json ? `${JSON.stringify(json)}\n` : `${lines.join("\n")}\n`);
}

function parse(command: Command, args: string[]): { operands: string[]; options: OptionValues } {
  const problem = (what: string) => new SpriteSyncError("config-invalid", `${what}\n${command.usage[0]}`);
  let parsed: { values: object; positionals: string[] };
  try {
    const options = { ...command.options, json: { type: "boolean" }, env: { type: "string" } } as const;
    parsed = parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw problem(error instanceof Error ? error.message : String(error));
  }
  const { length } = parsed.positionals;
  if (length !== command.operands)
    throw problem(length < command.operands ? "Something is missing." : "Too much is given.");
  return { operands: parsed.positionals, options: parsed.values as OptionValues };
}

async function openTools(environment: string | undefined): Promise<Tools> {
  const config = await readEdgeConfig(environment, process.env);
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

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${toSpriteSyncError(error, "transient").message}\n`);
  process.exitCode = 1;
});
