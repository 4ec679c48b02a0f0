import { LogLevel, logger } from "cojson";
import type { Log, LogFields } from "../shared/log.ts";

/** The only attributes of cojson's log lines that are ids, codes or sizes; others may hold headers or messages. */
const SAFE = ["id", "peerId", "peerID", "peerRole", "errorType", "sessionID", "coValueId"] as const;

/**
 * The parts of a cojson log line that may be logged: known attributes, and of an error its kind.
 * Error texts of cojson can quote what it could not parse, so they stay out.
 */
export function safeFields(attributes: unknown): LogFields {
  if (typeof attributes !== "object" || attributes === null) return {};
  const fields: Record<string, string> = {};
  for (const name of SAFE) {
    const value = (attributes as Record<string, unknown>)[name];
    if (typeof value === "string") fields[name] = value;
  }
  const error = (attributes as Record<string, unknown>).err;
  if (error instanceof Error) fields.error = error.name;
  return fields;
}

/** Routes cojson's log, which goes to the console by default, to ours: without content. */
export function routeCojsonLog(log: Log): void {
  // Some of cojson's messages hold an id, none holds content; the attributes are another matter.
  logger.setLevel(LogLevel.WARN);
  logger.setLogSystem({
    debug: (message, attributes) => log.debug(safeFields(attributes), `cojson: ${message}`),
    info: (message, attributes) => log.info(safeFields(attributes), `cojson: ${message}`),
    warn: (message, attributes) => log.warn(safeFields(attributes), `cojson: ${message}`),
    error: (message, attributes) => log.warn(safeFields(attributes), `cojson: ${message}`),
  });
}
