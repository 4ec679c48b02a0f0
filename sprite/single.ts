import { parseArgs } from "node:util";
import { SpriteSyncError, toSpriteSyncError } from "../shared/errors.ts";
import { LIMITS } from "../shared/limits.ts";
import { routeCojsonLog } from "./cojson-log.ts";
import { Listener } from "./listener.ts";
import { openLog } from "./log.ts";
import { Sprite } from "./sprite.ts";
import { stopOnSignals } from "./stop.ts";
import { openStorage } from "./storage/index.ts";

const USAGE = "usage: npm run single -- [--port 4200] [--host 127.0.0.1] [--data ./data/single]";

/**
 * All groups in one process, without an edge: browsers connect to `ws://host:port/sync` directly, nothing sleeps, and
 * whoever reaches the port may read and write what cojson's own permissions allow.
 */
async function single(): Promise<void> {
  const { port, host, data } = readArguments(process.argv.slice(2));
  const log = openLog("info");
  routeCojsonLog(log);
  const stopping = stopOnSignals(log);
  const started = await Sprite.start({
    role: { kind: "single" },
    openStorage: () => openStorage(data),
    listener: new Listener(port, host),
    sleepAfterMs: 0,
    log,
    onAsleep: () => {},
  });
  stopping.closes(() => started.sprite.close(), LIMITS.shutdownMs);
  process.stdout.write(`ready ws://${host}:${started.port}/sync\n`);
}

function readArguments(args: string[]): { port: number; host: string; data: string } {
  try {
    const { values } = parseArgs({
      args,
      options: {
        port: { type: "string", default: "4200" },
        host: { type: "string", default: "127.0.0.1" },
        data: { type: "string", default: "./data/single" },
      },
    });
    const port = Number(values.port);
    if (!Number.isInteger(port) || port < 0 || port > 65_535) throw new Error("--port must be a TCP port");
    return { port, host: values.host, data: values.data };
  } catch (error) {
    throw new SpriteSyncError("config-invalid", `${(error as Error).message}\n${USAGE}`, { cause: error });
  }
}

single().catch((error: unknown) => {
  process.stderr.write(`${toSpriteSyncError(error, "config-invalid").message}\n`);
  process.exit(1);
});
