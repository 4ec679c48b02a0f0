import { toSpriteSyncError } from "../shared/errors.ts";
import { LIMITS } from "../shared/limits.ts";
import type { Log } from "../shared/log.ts";
import { spriteNameOf } from "../shared/sprite-name.ts";
import { parseConfig } from "./config.ts";
import { Listener } from "./listener.ts";
import { openLog } from "./log.ts";
import { stopOnSignals } from "./stop.ts";

/** One home group's server: reads the environment, serves until it is idle or told to stop, then exits 0. */
async function main(): Promise<void> {
  const config = parseConfig(process.env);
  const log: Log = openLog(config.logLevel, { sprite: spriteNameOf(config.home) });
  const stopping = stopOnSignals(log);
  const listener = new Listener(config.port);
  listener.port.then(
    (port) => log.info({ port, sinceStartMs: sinceStart() }, "listening"),
    // Whoever starts the Sprite hears of it, too.
    () => undefined,
  );
  // Loaded in this order: while RocksDB opens on its own thread, there is time to load everything else.
  const { openStorage } = await import("./storage/index.ts");
  const open = () => openStorage(config.data, { durability: config.durability });
  let storage = open();
  let tries = 0;
  // It may fail before the Sprite is there to say so; that must not end the process.
  storage.catch(() => undefined);
  const [{ makeBackups }, { openBed }, { routeCojsonLog }, { openGuestApi }, { PeriodCount }, { Sprite }] =
    await Promise.all([
      import("./backups.ts"),
      import("./bed.ts"),
      import("./cojson-log.ts"),
      import("./guest-api.ts"),
      import("./period-count.ts"),
      import("./sprite.ts"),
    ]);
  routeCojsonLog(log);
  const { backup } = config;
  const { sprite } = await Sprite.start({
    role: {
      kind: "home",
      home: config.home,
      passKeys: config.passKeys,
      // Beside the store and not in it: opening a store moves files it does not know (facts/storage §1a).
      periods: new PeriodCount(`${config.data}.awake-periods`),
    },
    openStorage: async () => {
      if (tries++ > 0) storage = open();
      const opened = await storage;
      log.info({ sinceStartMs: sinceStart() }, "storage open");
      return opened;
    },
    listener,
    setup: config.setup,
    guest: openGuestApi(config.runtimeSocket),
    sleepAfterMs: config.sleepAfterMs,
    syncUrl: config.syncUrl,
    quota: { ...config.quota, file: `${config.data}.strangers`, directory: config.data },
    log,
    backups: backup && (async () => makeBackups(await storage, backup, `${config.data}.backed-up`, log)),
    onAsleep: () => (bed ? void bed.lie() : stopping.stop("asleep")),
  });
  const bed = openBed(config, sprite, { exit: () => stopping.stop("asleep"), log });
  stopping.closes(() => sprite.close(), LIMITS.shutdownMs);
  log.info({ boot: sprite.boot, sinceStartMs: sinceStart() }, "loaded");
}

/** Milliseconds since the process started: the parts of a cold start, in its log. */
function sinceStart(): number {
  return Math.round(performance.now());
}

main().catch((error: unknown) => {
  process.stderr.write(`${toSpriteSyncError(error, "config-invalid").message}\n`);
  process.exit(1);
});
