import { statSync } from "node:fs";
import type { ParseArgsOptionsConfig } from "node:util";
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

/** Values of a command's options, as `parseArgs` gives them. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/** One command of the tool for stores. */
export interface Command {
  /** How it is called, one line for each form, and what it does. */
  readonly usage: readonly (readonly [call: string, what: string])[];
  /** How many arguments it takes that are not options: at least, and at most. */
  readonly operands: readonly [min: number, max: number];
  readonly options: ParseArgsOptionsConfig;
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
