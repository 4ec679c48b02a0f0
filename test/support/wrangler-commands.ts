import { experimental_getWranglerCommands } from "wrangler";

interface Argument {
  readonly type?: string;
  readonly alias?: string | readonly string[];
}

interface Command {
  readonly definition?: {
    readonly args?: Readonly<Record<string, Argument>>;
    readonly positionalArgs?: readonly string[];
  };
  readonly subtree: ReadonlyMap<string, Command>;
}

const { registry, globalFlags } = experimental_getWranglerCommands() as unknown as {
  readonly registry: Command;
  readonly globalFlags: Readonly<Record<string, Argument>>;
};

/** What wrangler's own table of commands has against these arguments; nothing when they are right. */
export function wranglerMistakes(args: readonly string[]): string[] {
  let command = registry;
  let depth = 0;
  for (let next = command.subtree.get(args[0] ?? ""); next; next = command.subtree.get(args[depth] ?? "")) {
    command = next;
    depth++;
  }
  const name = `wrangler ${args.slice(0, depth).join(" ")}`;
  if (!command.definition?.args) return [`${name} is no command: ${args.join(" ")}`];
  const flags = new Map<string, Argument>();
  for (const [flag, argument] of Object.entries({ ...globalFlags, ...command.definition.args })) {
    for (const known of [flag, ...[argument.alias ?? []].flat()]) flags.set(known, argument);
  }
  const mistakes: string[] = [];
  let positional = 0;
  for (let at = depth; at < args.length; at++) {
    const [text = "", value] = (args[at] ?? "").split("=", 2);
    const flag = text.replace(/^--?/, "");
    if (!text.startsWith("-")) positional++;
    else if (!flags.has(flag)) mistakes.push(`${name} has no flag ${text}`);
    else if (flags.get(flag)?.type !== "boolean" && value === undefined) at++;
  }
  const takes = command.definition.positionalArgs?.length ?? 0;
  if (positional > takes) mistakes.push(`${name} takes ${takes} arguments, not ${positional}`);
  return mistakes;
}
