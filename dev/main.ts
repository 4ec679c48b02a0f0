import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { pino } from "pino";
import pretty from "pino-pretty";
import { buildDemo } from "../demo/build.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import { LIMITS } from "../shared/limits.ts";
import { PLACEMENT_POLICIES, type PlacementPolicy } from "../shared/placement.ts";
import { homeOfSprite } from "../shared/sprite-name.ts";
import { buildSprite } from "../sprite/build.ts";
import {
  buildImage,
  dockerEngine,
  dockerRunner,
  HOST_NAME,
  type MachineChange,
  needImage,
  openToContainers,
} from "./fleet/index.ts";
import { PLATFORMS, type Platform, SPRITE_IMAGE, startStack } from "./stack.ts";

const USAGE = `npm run dev -- [options]
  --port N               port of the edge on 127.0.0.1; 0 takes a free one (default 8787)
  --data DIR             where everything is kept; survives restarts (default .data/dev)
  --sleep-after SECONDS  idle time after which a Sprite sleeps; 0: never (default ${LIMITS.sleepAfterSeconds})
  --placement POLICY     ${PLACEMENT_POLICIES.join(" | ")} (default root)
  --fleet PLATFORM       ${PLATFORMS.join(" | ")}: which of Fly's platforms is played (default machines)
  --docker               run Sprites as containers of Dockerfile.sprite instead of processes
  --image NAME           with --docker: run this image, which exists already, instead of building one
  --verbose              log every request to the fleet and every line of the Sprites`;

const root = fileURLToPath(new URL("..", import.meta.url));
const log = pino(
  { level: process.argv.includes("--verbose") ? "debug" : "info", base: null },
  pretty({
    colorize: process.stdout.isTTY === true,
    translateTime: "HH:MM:ss.l",
    ignore: "pid,hostname",
    sync: true,
  }),
);

try {
  await run();
} catch (error) {
  const expected = error instanceof SpriteSyncError;
  console.error(expected ? error.message : error);
  process.exit(1);
}

async function run(): Promise<void> {
  const options = readArguments();
  if (!options) return;
  const [demoDir, spriteDir] = [`${root}dist/demo`, `${root}dist/sprite`];
  if (options.docker) await prepareImage(options.image);
  await mkdir(options.dataDir, { recursive: true });
  await Promise.all([buildDemo(demoDir), !options.docker && buildSprite(spriteDir)]);
  const stack = await startStack({
    ...options,
    demoDir,
    spriteEntry: `${spriteDir}/main.js`,
    log,
    logLevel: options.verbose ? "debug" : "info",
    ...(options.docker && inContainers(options.verbose)),
    onMachine: (change) => log.info(describe(change)),
    onSpriteLine: (sprite, line) => log.debug({ sprite }, line),
    onEdgeLine: (line, isError) => logEdge(line, isError),
  });
  console.log(`ready ${stack.syncUrl}\npage  ${stack.pageUrl}`);

  let closing = false;
  const stop = async () => {
    if (closing) process.exit(130);
    closing = true;
    log.info("stopping everything; Ctrl-C again to leave it behind");
    await stack.close();
    process.exit(0);
  };
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    // Miniflare's own listener ends the process at once, and would leave the Sprites behind.
    process.removeAllListeners(signal);
    process.on(signal, stop);
  }
}

/** The Sprites' image: the one that is named, or one that is built from here. @throws SpriteSyncError saying what to do. */
async function prepareImage(name: string | undefined): Promise<void> {
  await dockerEngine().catch(({ message }: Error) => {
    const instead = "or leave --docker out: Sprites then run as processes";
    throw new SpriteSyncError("config-invalid", `${message}, ${instead}`);
  });
  if (name === undefined) await buildImage(root, SPRITE_IMAGE);
  else await needImage(name);
}

/** The stack's options for Sprites that run as containers. */
function inContainers(verbose: boolean) {
  return {
    runner: dockerRunner({
      env: { LOG_LEVEL: verbose ? "debug" : "info" },
      onOutput: ({ name }, line) => log.debug({ sprite: name }, line),
    }),
    hostSeenBySprites: HOST_NAME,
    openToSprites: openToContainers,
  };
}

function readArguments() {
  const { values } = readOrExplain();
  if (values.help) {
    console.log(USAGE);
    return undefined;
  }
  const placement = values.placement as PlacementPolicy;
  if (!PLACEMENT_POLICIES.includes(placement))
    throw badArgument("--placement", PLACEMENT_POLICIES.join(", "));
  const platform = values.fleet as Platform;
  if (!PLATFORMS.includes(platform)) throw badArgument("--fleet", PLATFORMS.join(" or "));
  if (values.docker && platform === "sprites")
    throw new SpriteSyncError("config-invalid", "--docker runs Fly Machines: leave out --fleet sprites");
  if (values.image !== undefined && !values.docker)
    throw new SpriteSyncError("config-invalid", "--image is for containers: add --docker");
  return {
    port: wholeNumber("--port", values.port),
    dataDir: values.data,
    sleepAfter: wholeNumber("--sleep-after", values["sleep-after"]),
    placement,
    platform,
    docker: values.docker,
    image: values.image,
    verbose: values.verbose,
  };
}

function readOrExplain() {
  try {
    return parseArgs({
      options: {
        port: { type: "string", default: "8787" },
        data: { type: "string", default: `${root}.data/dev` },
        "sleep-after": { type: "string", default: String(LIMITS.sleepAfterSeconds) },
        placement: { type: "string", default: "root" },
        fleet: { type: "string", default: "machines" },
        docker: { type: "boolean", default: false },
        image: { type: "string" },
        verbose: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
    });
  } catch (error) {
    throw new SpriteSyncError(
      "config-invalid",
      `${error instanceof Error ? error.message : error}\n\n${USAGE}`,
    );
  }
}

function wholeNumber(option: string, text: string): number {
  if (!/^\d{1,5}$/.test(text)) throw badArgument(option, "a whole number");
  return Number(text);
}

function badArgument(option: string, expected: string): SpriteSyncError {
  return new SpriteSyncError("config-invalid", `${option} takes ${expected}\n\n${USAGE}`);
}

function describe({ name, state, source, exit }: MachineChange): string {
  const home = homeOfSprite(name) ?? name;
  const how = exit?.reason ?? exit?.signal ?? (exit?.code ? `exit code ${exit.code}` : undefined);
  const words: Record<string, string> = {
    created: "created",
    started: "awake",
    stopped: "asleep",
    destroyed: "destroyed",
  };
  return `Sprite of ${home}: ${words[state] ?? state}${how ? ` (${how})` : ""}${source === "user" ? ", as asked" : ""}`;
}

function logEdge(line: string, isError: boolean): void {
  try {
    const { level, message, ...fields } = JSON.parse(line) as { level: "info"; message: string };
    log[level](fields, `edge: ${message}`);
  } catch {
    log[isError ? "error" : "info"](`edge: ${line}`);
  }
}
