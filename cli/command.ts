import { type ParseArgsOptionsConfig, parseArgs } from "node:util";
import { UsageError } from "./failure.ts";
import type { Terminal } from "./terminal.ts";
import { optionLines, rows } from "./usage.ts";

/** An option as `parseArgs` of node:util takes it, and what its usage says of it. Its default is told by itself. */
export type Option = ParseArgsOptionsConfig[string] & {
  readonly about: string;
  /** What stands for the value in the usage, such as `N`. */
  readonly value?: string;
};
export type Options = Readonly<Record<string, Option>>;

/** The values of options, as `parseArgs` types them. */
export type Values<O extends Options> = ReturnType<
  typeof parseArgs<{ options: O; strict: true; allowPositionals: true; args: string[] }>
>["values"];

/** An argument that is no option. */
export interface Operand {
  readonly name: string;
  readonly about: string;
  readonly required?: boolean;
}

/** What a script of package.json is. */
export interface Definition<O extends Options> {
  /** Its name in package.json. */
  readonly name: string;
  readonly about: string;
  readonly operands?: readonly Operand[];
  readonly options: O;
  readonly notes?: string;
  /** The exit code of a failure that is not the command line's; 1 unless given. */
  readonly failureCode?: number;
  /** @returns the exit code; 0 when nothing is returned. */
  run(values: Values<O>, operands: readonly string[], terminal: Terminal): Promise<number | undefined>;
}

/** A script that answers `--help`, and refuses what it does not know. */
export interface Command {
  readonly name: string;
  readonly usage: string;
  readonly failureCode: number;
  /**
   * @returns the exit code.
   * @throws UsageError when the arguments are wrong; else what the script throws.
   */
  run(args: readonly string[], terminal: Terminal): Promise<number>;
}

const HELP = { type: "boolean", short: "h", about: "prints this" } as const;

/** Makes a command of its definition. Its module should import what takes long to load only in `run`. */
export function defineCommand<const O extends Options>(definition: Definition<O>): Command {
  const { name, operands = [], options, failureCode = 1 } = definition;
  const usage = usageOf(definition);
  return {
    name,
    usage,
    failureCode,
    async run(args, terminal) {
      const parsed = readArguments(name, args, { ...options, help: HELP });
      if (parsed.values.help) {
        terminal.print(usage);
        return 0;
      }
      const least = operands.filter(({ required }) => required).length;
      checkCount(name, parsed.positionals, [least, operands.length]);
      return (await definition.run(parsed.values as Values<O>, parsed.positionals, terminal)) ?? 0;
    },
  };
}

/** @throws UsageError */
export function readArguments(name: string, args: readonly string[], options: ParseArgsOptionsConfig) {
  try {
    return parseArgs({ args: [...args], allowPositionals: true, options });
  } catch (error) {
    // The rest of its message is advice, and about something else.
    const [sentence = ""] = (error as Error).message.split(/\.?\s*\n|\. /);
    throw new UsageError(name, sentence);
  }
}

/** @throws UsageError */
export function checkCount(
  name: string,
  operands: readonly string[],
  [least, most]: readonly [number, number],
): void {
  if (operands.length < least) throw new UsageError(name, "An argument is missing");
  const unexpected = operands[most];
  if (unexpected !== undefined) throw new UsageError(name, `Unexpected argument '${unexpected}'`);
}

function usageOf<O extends Options>({ name, about, operands = [], options, notes }: Definition<O>): string {
  const words = operands.map((operand) => (operand.required ? operand.name : `[${operand.name}]`));
  return [
    `npm run ${name} -- ${[...words, "[options]"].join(" ")}`,
    about,
    "",
    ...rows([
      ...operands.map((operand) => [operand.name, operand.about] as const),
      ...optionLines({ ...options, help: HELP }),
    ]),
    ...(notes ? ["", notes] : []),
  ].join("\n");
}

/**
 * Reads the value of an option.
 * @throws UsageError when it is not a whole number from `least` to `most`.
 */
export function wholeNumber(
  name: string,
  option: string,
  text: string,
  { least = 0, most = Number.MAX_SAFE_INTEGER }: { least?: number; most?: number } = {},
): number {
  const number = Number(text);
  if (/^\d{1,16}$/.test(text) && number >= least && number <= most) return number;
  const range = most === Number.MAX_SAFE_INTEGER ? `from ${least} on` : `from ${least} to ${most}`;
  throw new UsageError(name, `--${option} takes a whole number ${range}, not '${text}'`);
}

/**
 * Reads the value of an option.
 * @throws UsageError when it is not one of `choices`.
 */
export function oneOf<T extends string>(
  name: string,
  option: string,
  text: string,
  choices: readonly T[],
): T {
  const found = choices.find((choice) => choice === text);
  if (found !== undefined) return found;
  throw new UsageError(name, `--${option} takes ${choices.join(" or ")}, not '${text}'`);
}
