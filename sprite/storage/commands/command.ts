import { statSync } from "node:fs";
import type { OptionValues, Subcommand } from "../../../cli/tool.ts";
import { SpriteSyncError } from "../../../shared/errors.ts";
import type { Progress } from "../progress.ts";

/** What a command says when it has done its work. */
export interface Printed {
  readonly lines: readonly string[];
  /** The same for `--json`. */
  readonly json: unknown;
  /** False when something is wrong with the store, or was left out: the process then ends with 1. */
  readonly sound: boolean;
}

export type { OptionValues };

/** One command of the tool for stores. */
export interface Command extends Subcommand {
  run(operands: readonly string[], options: OptionValues, progress: Progress): Promise<Printed>;
}

/** @throws SpriteSyncError `config-invalid` */
export function requireDirectory(directory: string): void {
  if (statSync(directory, { throwIfNoEntry: false })?.isDirectory()) return;
  throw new SpriteSyncError("config-invalid", `${directory} is not a directory.`);
}

/** @throws SpriteSyncError `config-invalid` when the option is given and is no whole number */
export function wholeNumber(options: OptionValues, name: string): number | undefined {
  const text = options[name];
  if (text === undefined) return undefined;
  if (typeof text === "string" && /^\d{1,9}$/.test(text)) return Number(text);
  throw new SpriteSyncError("config-invalid", `--${name} is ${String(text)}; it takes a whole number.`);
}

/** @throws SpriteSyncError `config-invalid` when the option is given without a value */
export function text(options: OptionValues, name: string): string | undefined {
  const value = options[name];
  return typeof value === "string" ? value : undefined;
}
