import type { ParseArgsOptionsConfig } from "node:util";
import { type Command, checkCount, type Options, readArguments } from "./command.ts";
import { UsageError } from "./failure.ts";
import type { Terminal } from "./terminal.ts";
import { optionLines, rows } from "./usage.ts";

/** Values of a subcommand's options, as `parseArgs` gives them. */
export type OptionValues = Readonly<Record<string, string | boolean | undefined>>;

/** One of the commands of a tool. */
export interface Subcommand {
  /** How it is called, one line for each form, and what it does. */
  readonly usage: readonly (readonly [call: string, what: string])[];
  /** How many arguments it takes that are not options: at least, and at most. */
  readonly operands: readonly [least: number, most: number];
  readonly options: ParseArgsOptionsConfig;
}

/** A script of package.json that has commands of its own. */
export interface ToolDefinition<C extends Subcommand> {
  readonly name: string;
  readonly commands: Readonly<Record<string, C>>;
  /** Options that all commands have. */
  readonly options: Options;
  readonly notes: string;
  readonly failureCode?: number;
  run(
    command: C,
    operands: readonly string[],
    options: OptionValues,
    terminal: Terminal,
  ): Promise<number | undefined>;
}

const HELP = { type: "boolean", short: "h", about: "prints this, or what one command takes" } as const;

/** Makes a command of a tool: `npm run <name> -- <command> …`; options may stand before the command's name, too. */
export function defineTool<C extends Subcommand>(definition: ToolDefinition<C>): Command {
  const { name, commands, options, notes, failureCode = 1 } = definition;
  const common = { ...options, help: HELP };
  const everyOption = Object.assign({}, ...Object.values(commands).map((one) => one.options), common);
  const usage = [
    `npm run ${name} -- <command> [options]`,
    "",
    ...rows(Object.values(commands).flatMap((command) => command.usage)),
    "",
    ...rows(optionLines(common)),
    "",
    notes,
  ].join("\n");
  return {
    name,
    usage,
    failureCode,
    async run(args, terminal) {
      const { values, positionals } = readArguments(name, args, everyOption);
      const [called, ...operands] = positionals;
      const command = called !== undefined && Object.hasOwn(commands, called) ? commands[called] : undefined;
      if (values.help) {
        terminal.print(command ? rows(command.usage).join("\n") : usage);
        return 0;
      }
      if (!command) {
        const known = Object.keys(commands).join(", ");
        throw new UsageError(name, called ? `There is no command '${called}'` : `Name a command: ${known}`);
      }
      // Again, with this command's own options: another one's are wrong here.
      readArguments(name, args, { ...command.options, ...common });
      checkCount(name, operands, command.operands);
      return (await definition.run(command, operands, values as OptionValues, terminal)) ?? 0;
    },
  };
}
