/** Ids, codes, sizes and times to log; never content, never a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** What both sides log with; the Sprite brings pino, the edge the Workers console. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}

/** `log`, with `fields` in every line; what a line says itself counts more. */
export function withFields(log: Log, fields: LogFields): Log {
  const write = (level: keyof Log) => (own: LogFields, message: string) =>
    log[level]({ ...fields, ...own }, message);
  return { debug: write("debug"), info: write("info"), warn: write("warn"), error: write("error") };
}
