import type { Log, LogFields } from "../shared/log.ts";

type Level = keyof Log;

const LEVELS: readonly Level[] = ["debug", "info", "warn", "error"];

/** The Workers console as a {@link Log}. Objects, because Workers Logs index their members (facts/cloudflare §5). */
export function workersLog(least: Level = "info"): Log {
  const write = (level: Level) => (fields: LogFields, message: string) => {
    if (LEVELS.indexOf(level) >= LEVELS.indexOf(least)) console[level]({ level, message, ...fields });
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
