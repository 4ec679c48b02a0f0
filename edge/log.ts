import type { Log, LogFields } from "../shared/log.ts";

type Level = keyof Log;

const LEVELS: readonly Level[] = ["debug", "info", "warn", "error"];

export interface LogOptions {
  readonly least: Level;
  /** `object`: Workers Logs index its members (facts/cloudflare §5). `json`: one line each, for a terminal. */
  readonly format: "object" | "json";
}

/** The Workers console as a {@link Log}. */
export function workersLog({ least, format }: LogOptions): Log {
  const write = (level: Level) => (fields: LogFields, message: string) => {
    if (LEVELS.indexOf(level) < LEVELS.indexOf(least)) return;
    const entry = { level, message, ...fields };
    console[level](format === "json" ? JSON.stringify(entry) : entry);
  };
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
