import { endWithNpm } from "../cli/end-with-npm.ts";
import { LIMITS } from "../shared/limits.ts";
import { routeCojsonLog } from "./cojson-log.ts";
import { Listener } from "./listener.ts";
import { openLog } from "./log.ts";
import { Sprite } from "./sprite.ts";
import { stopOnSignals } from "./stop.ts";
import { type Durability, openStorage } from "./storage/index.ts";

export interface Place {
  /** TCP port; 0 takes a free one. */
  readonly port: number;
  readonly host: string;
  /** Directory of the store. */
  readonly data: string;
  readonly durability: Durability;
}

/**
 * All groups in one process, without an edge: browsers connect to `ws://host:port/sync` directly, nothing sleeps, and
 * whoever reaches the port may read and write what cojson's own permissions allow.
 * @throws Error when the port is taken, or the store cannot be opened.
 */
export async function serveAllGroups({ port, host, data, durability }: Place): Promise<void> {
  const log = openLog("info");
  routeCojsonLog(log);
  const stopping = stopOnSignals(log);
  endWithNpm(() => stopping.stop("npm has ended"));
  const started = await Sprite.start({
    role: { kind: "single" },
    openStorage: () => openStorage(data, { durability }),
    listener: new Listener(port, host),
    sleepAfterMs: 0,
    quota: { file: `${data}.strangers` },
    log,
    onAsleep: () => {},
  });
  stopping.closes(() => started.sprite.close(), LIMITS.shutdownMs);
  process.stdout.write(`ready ws://${host}:${started.port}/sync\n`);
}
