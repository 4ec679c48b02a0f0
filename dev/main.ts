import { mkdir } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { pino } from "pino";
import pretty from "pino-pretty";
import { defineCommand, oneOf, type Values, wholeNumber } from "../cli/command.ts";
import { endWithNpm } from "../cli/end-with-npm.ts";
import { UsageError } from "../cli/failure.ts";
import { main } from "../cli/main.ts";
import { LIMITS } from "../shared/limits.ts";
import { PLACEMENT_POLICIES } from "../shared/placement.ts";
import { PLATFORMS } from "./platforms.ts";
import type { Stack } from "./stack.ts";
import { StackLog } from "./stack-log.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const NAME = "dev";
const OPTIONS = {
  port: {
    type: "string",
    default: "8787",
    value: "N",
    about: "port of the edge on 127.0.0.1; 0 takes a free one",
  },
  data: {
    type: "string",
    default: `${root}.data/dev`,
    value: "DIR",
    about: "where everything is kept; survives restarts (default .data/dev)",
  },
  "sleep-after": {
    type: "string",
    default: String(LIMITS.sleepAfterSeconds),
    value: "SECONDS",
    about: "idle time after which a Sprite sleeps; 0: never",
  },
  placement: {
    type: "string",
    default: "root",
    value: "POLICY",
    about: `which groups share a Sprite: ${PLACEMENT_POLICIES.join(" | ")}`,
  },
  fleet: {
    type: "string",
    default: "machines",
    value: "PLATFORM",
    about: `which of Fly's platforms is played: ${PLATFORMS.join(" | ")}`,
  },
  docker: {
    type: "boolean",
    default: false,
    about: "run Sprites as containers of Dockerfile.sprite instead of processes",
  },
  image: {
    type: "string",
    value: "NAME",
    about: "with --docker: run this image, which exists already, instead of building one",
  },
  verbose: {
    type: "boolean",
    default: false,
    about: "log every request to the fleet and every line of the Sprites",
  },
} as const;

const prettyLog = pretty({
  colorize: process.stdout.isTTY === true,
  translateTime: "HH:MM:ss.l",
  ignore: "pid,hostname",
  sync: true,
});
const log = pino({ level: process.argv.includes("--verbose") ? "debug" : "info", base: null }, prettyLog);

/** `npm run dev`. */
export const DEV = defineCommand({
  name: NAME,
  about: "Starts the whole product on this computer: the edge in workerd, a fleet host, and Sprites.",
  options: OPTIONS,
  run: async (values) => {
    await run(readOptions(values));
    return undefined;
  },
});

async function run(options: ReturnType<typeof readOptions>): Promise<void> {
  // Only now: they take a second to load, and need libraries that a bare system lacks.
  const [{ buildDemo }, { buildSprite }, { startStack }, { inContainers, prepareImage }] = await Promise.all([
    import("../demo/build.ts"),
    import("../sprite/build.ts"),
    import("./stack.ts"),
    import("./in-containers.ts"),
  ]);
  const [demoDir, spriteDir] = [`${root}dist/demo`, `${root}dist/sprite`];
  if (options.docker) await prepareImage(options.image);
  await mkdir(options.dataDir, { recursive: true });
  await Promise.all([buildDemo(demoDir), !options.docker && buildSprite(spriteDir)]);
  const stackLog = new StackLog(log, options.verbose);
  // Until there is something to stop in order.
  process.once("SIGHUP", () => process.exit(129));
  const stack = await startStack({
    ...options,
    demoDir,
    spriteEntry: `${spriteDir}/main.js`,
    log,
    logLevel: options.verbose ? "debug" : "info",
    ...(options.docker &&
      inContainers(options.verbose ? "debug" : "info", (sprite, line) => stackLog.sprite(sprite, line))),
    onMachine: (change) => stackLog.machine(change),
    onSpriteLine: (sprite, line) => stackLog.sprite(sprite, line),
    onEdgeLine: (line, isError) => stackLog.edge(line, isError),
  });
  console.log(`ready ${stack.syncUrl}\npage  ${stack.pageUrl}`);
  stopOnSignals(stack);
}

/** Stops everything in order on Ctrl-C, when the terminal is closed, and when npm is ended. */
function stopOnSignals(stack: Stack): void {
  let closing = false;
  const stop = async () => {
    closing = true;
    log.info("stopping everything; Ctrl-C again to leave it behind");
    await stack.close();
    process.exit(0);
  };
  // A closed terminal can no longer be written to, and tells each of its processes more than once.
  for (const stream of [process.stdout, process.stderr, prettyLog]) stream.on("error", () => undefined);
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    // Miniflare's own listener ends the process at once, and would leave the Sprites behind.
    process.removeAllListeners(signal);
    process.on(signal, () => {
      if (!closing) void stop();
      else if (signal === "SIGINT") process.exit(130);
    });
  }
  endWithNpm(() => {
    if (!closing) void stop();
  });
}

function readOptions(values: Values<typeof OPTIONS>) {
  if (values.docker && values.fleet === "sprites")
    throw new UsageError(NAME, "--docker runs Fly Machines: leave out --fleet sprites");
  if (values.image !== undefined && !values.docker)
    throw new UsageError(NAME, "--image is for containers: add --docker");
  return {
    port: wholeNumber(NAME, "port", values.port, { most: 65_535 }),
    dataDir: values.data,
    sleepAfter: wholeNumber(NAME, "sleep-after", values["sleep-after"], { most: 99_999 }),
    placement: oneOf(NAME, "placement", values.placement, PLACEMENT_POLICIES),
    platform: oneOf(NAME, "fleet", values.fleet, PLATFORMS),
    docker: values.docker,
    image: values.image,
    verbose: values.verbose,
  };
}

if (import.meta.main) await main(DEV);
