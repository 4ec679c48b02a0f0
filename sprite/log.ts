import { pino } from "pino";
import type { Log } from "../shared/log.ts";

/** JSON lines on standard output, written at once: the last words of a crash must not be lost in a buffer. */
export function openLog(level: string, fields: Readonly<Record<string, string>> = {}): Log {
  return pino({ level, base: fields }, pino.destination({ dest: 1, sync: true }));
}
