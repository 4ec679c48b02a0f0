import type { Log } from "../../shared/log.ts";
import { type Mark, markLine, now } from "./marks.ts";

/**
 * A Sprite wired as in sprite/main.ts, which tells when each part of its start was done. Its modules are imported here and
 * not above, so that the time before them can be told from theirs.
 */
const passed: [Mark, number][] = [["node started", now()]];
const pass = (mark: Mark) => void passed.push([mark, now()]);

const [
  { parseConfig },
  { openLog },
  { PeriodCount },
  { Sprite },
  { stopOnSignals },
  { openStorage },
  { LIMITS },
] = await Promise.all([
  import("../../sprite/config.ts"),
  import("../../sprite/log.ts"),
  import("../../sprite/period-count.ts"),
  import("../../sprite/sprite.ts"),
  import("../../sprite/stop.ts"),
  import("../../sprite/storage/index.ts"),
  import("../../shared/limits.ts"),
]);
pass("imported");

const config = parseConfig(process.env);
const log = openLog("warn");
const stopping = stopOnSignals(log);
const { sprite } = await Sprite.start({
  role: {
    kind: "home",
    home: config.home,
    passKeys: config.passKeys,
    periods: new PeriodCount(`${config.data}.awake-periods`),
  },
  openStorage: async () => {
    const storage = await openStorage(config.data, { durability: config.durability });
    pass("store open");
    return storage;
  },
  port: config.port,
  sleepAfterMs: config.sleepAfterMs,
  syncUrl: config.syncUrl,
  log: listeningFor("upstream opened", () => {
    pass("attached");
    process.stdout.write(passed.map(([mark, at]) => markLine(mark, at)).join(""));
  }),
  onAsleep: () => stopping.stop("asleep"),
});
pass("listening");
stopping.closes(() => sprite.close(), LIMITS.shutdownMs);

function listeningFor(event: string, happened: () => void): Log {
  return {
    debug: () => undefined,
    info: (_, text) => void (text === event && happened()),
    warn: (fields, text) => log.warn(fields, text),
    error: (fields, text) => log.error(fields, text),
  };
}
