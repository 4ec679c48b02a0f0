import type { Log } from "../shared/log.ts";

export interface Stopping {
  /** What an ordered stop does, and how long it may take (ms). */
  closes(close: () => Promise<void>, limitMs: number): void;
  /** Stops in order and exits 0; called again, it does nothing. */
  stop(reason: string): void;
}

/**
 * Ends the process in order on SIGTERM, SIGINT and SIGHUP (its terminal was closed), and at once, with 1, on an error that nobody caught: what was
 * acknowledged is on disk, and a fresh start is the best cure.
 */
export function stopOnSignals(log: Log): Stopping {
  let close: (() => Promise<void>) | undefined;
  let limitMs = 0;
  let reason: string | undefined;

  const run = () => {
    if (!close || reason === undefined) return;
    log.info({ reason }, "stopping");
    const limit = setTimeout(() => {
      log.error({ reason, limitMs }, "the ordered stop took too long");
      process.exit(1);
    }, limitMs);
    close().then(
      () => {
        clearTimeout(limit);
        log.info({ reason }, "stopped");
        process.exit(0);
      },
      (error: unknown) => crash(log, error),
    );
  };
  const stop = (why: string) => {
    if (reason !== undefined) return;
    reason = why;
    run();
  };
  for (const signal of ["SIGTERM", "SIGINT", "SIGHUP"] as const) process.on(signal, () => stop(signal));
  process.on("uncaughtException", (error) => crash(log, error));
  process.on("unhandledRejection", (error) => crash(log, error));
  return {
    closes(how, limit) {
      close = how;
      limitMs = limit;
      run();
    },
    stop,
  };
}

/** Logs where it happened, not what was in it: messages of parsers quote their input. */
function crash(log: Log, error: unknown): never {
  const name = error instanceof Error ? error.name : typeof error;
  const stack = error instanceof Error ? error.stack?.split("\n").slice(1, 8).join("\n") : undefined;
  log.error({ error: name, stack }, "crashed");
  process.exit(1);
}
