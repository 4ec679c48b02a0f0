import { performance } from "node:perf_hooks";
import { toSpriteSyncError } from "../shared/errors.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { spriteNameOf } from "../shared/sprite-name.ts";
import { routeCojsonLog } from "./cojson-log.ts";
import { parseConfig } from "./config.ts";
import { openLog } from "./log.ts";
import { PeriodCount } from "./period-count.ts";
import { Sprite } from "./sprite.ts";
import { stopOnSignals } from "./stop.ts";
import { openStorage } from "./storage/index.ts";

/** One home group's server: reads the environment, serves until it is idle or told to stop, then exits 0. */
async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const log: Log = openLog(config.logLevel, { sprite: spriteNameOf(config.home) });
  routeCojsonLog(log);
  const stopping = stopOnSignals(log);
  const { sprite, port } = await Sprite.start({
    role: {
      kind: "home",
      home: config.home,
      passKeys: config.passKeys,
      // Beside the store and not in it: opening a store moves files it does not know (facts/storage §1a).
      periods: new PeriodCount(`${config.data}.awake-periods`),
    },
    openStorage: async () => {
      const storage = await openStorage(config.data, { durability: config.durability });
      log.info({ sinceStartMs: sinceStart() }, "storage open");
      return storage;
    },
    port: config.port,
    sleepAfterMs: config.sleepAfterMs,
    syncUrl: config.syncUrl,
    log,
    onAsleep: () => stopping.stop("asleep"),
  });
  stopping.closes(() => sprite.close(), LIMITS.shutdownMs);
  log.info({ port, boot: sprite.boot, sinceStartMs: sinceStart() }, "listening");
}

/** Milliseconds since the process started: the parts of a cold start, in its log. */
function sinceStart(): number {
  return Math.round(performance.now());
}

main().catch((error: unknown) => {
  process.stderr.write(`${toSpriteSyncError(error, "config-invalid").message}\n`);
  process.exit(1);
});
