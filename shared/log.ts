/** Ids, codes, sizes and times to log; never content, never a secret. */
export type LogFields = Readonly<Record<string, string | number | boolean | null | undefined>>;

/** What both sides log with; the Sprite brings pino, the edge the Workers console. */
export interface Log {
  debug(fields: LogFields, message: string): void;
  info(fields: LogFields, message: string): void;
  warn(fields: LogFields, message: string): void;
  error(fields: LogFields, message: string): void;
}
