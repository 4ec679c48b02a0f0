import { readFileSync } from "node:fs";

interface Recorded {
  readonly global: Readonly<Record<string, boolean>>;
  readonly commands: Readonly<
    Record<string, { readonly arguments: number; readonly flags: Readonly<Record<string, boolean>> }>
  >;
}

const recorded = JSON.parse(
  readFileSync(new URL("../fixtures/fly/flyctl-commands.json", import.meta.url), "utf8"),
) as Recorded;

/**
 * What flyctl's published list of commands and flags has against these arguments; nothing when they are right. flyctl itself
 * is not here to be asked.
 */
export function flyctlMistakes(args: readonly string[]): string[] {
  const words = [3, 2, 1].map((count) => args.slice(0, count).join(" "));
  const name = words.find((candidate) => candidate in recorded.commands);
  const command = name ? recorded.commands[name] : undefined;
  if (!name || !command) return [`flyctl has no command ${args.slice(0, 2).join(" ")} in the recorded list`];
  const flags = { ...recorded.global, ...command.flags };
  const mistakes: string[] = [];
  let positional = 0;
  const rest = args.slice(name.split(" ").length);
  for (let at = 0; at < rest.length; at++) {
    const [flag = "", value] = (rest[at] ?? "").split("=", 2);
    if (!flag.startsWith("-")) positional++;
    else if (!(flag in flags)) mistakes.push(`flyctl ${name} has no flag ${flag}`);
    else if (flags[flag] && value === undefined) {
      at++;
      if (rest[at] === undefined || rest[at]?.startsWith("-"))
        mistakes.push(`flyctl ${name}: ${flag} takes a value`);
    }
  }
  if (positional > command.arguments)
    mistakes.push(`flyctl ${name} takes ${command.arguments} arguments, not ${positional}`);
  return mistakes;
}
