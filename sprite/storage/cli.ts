import { parseArgs } from "node:util";
import { SpriteSyncError, toSpriteSyncError } from "../../shared/errors.ts";
import { backup, backups, restore } from "./commands/backup.ts";
import type { Command, OptionValues } from "./commands/command.ts";
import { compact } from "./commands/compact.ts";
import { audit, inspect } from "./commands/look.ts";
import { checkpoint, exportCommand, importCommand } from "./commands/transfer.ts";
import { Progress } from "./progress.ts";

const COMMANDS: Readonly<Record<string, Command>> = {
  inspect,
  audit,
  checkpoint,
  export: exportCommand,
  import: importCommand,
  compact,
  backup,
  backups,
  restore,
};

const CALL_CHARS = 36;

function usage(): string {
  const lines = Object.values(COMMANDS).flatMap((command) =>
    command.usage.map(([call, what]) => `${call.padEnd(CALL_CHARS)}  ${what}`),
  );
  return `npm run sprite -- <command> [--json]

${lines.join("\n")}

What only reads a store works also while a Sprite has it open. import, compact and restore write, and refuse a store that is
open. A command ends with 1 when it found something wrong or left something out, and with 2 when it could not be done.
Content of transactions is in what export, checkpoint and backup write, and nowhere else.`;
}

async function main([name = "", ...args]: string[]): Promise<void> {
  const command = COMMANDS[name];
  if (command === undefined) throw new SpriteSyncError("config-invalid", usage());
  const { operands, options } = parse(command, args);
  const progress = new Progress(process.stderr);
  const printed = await command.run(operands, options, progress).finally(() => progress.clear());
  process.stdout.write(options.json ? `${JSON.stringify(printed.json)}\n` : `${printed.lines.join("\n")}\n`);
  if (!printed.sound) process.exitCode = 1;
}

function parse(command: Command, args: string[]): { operands: string[]; options: OptionValues } {
  const problem = (what: string) => {
    const forms = command.usage.map(([call]) => call).join("\n");
    return new SpriteSyncError("config-invalid", `${what}\n${forms}`);
  };
  let parsed: { values: object; positionals: string[] };
  try {
    const options = { ...command.options, json: { type: "boolean" } } as const;
    parsed = parseArgs({ args, allowPositionals: true, options });
  } catch (error) {
    throw problem(error instanceof Error ? error.message : String(error));
  }
  const [min, max] = command.operands;
  const { length } = parsed.positionals;
  if (length < min || length > max)
    throw problem(length < min ? "Something is missing." : "Too much is given.");
  return { operands: parsed.positionals, options: parsed.values as OptionValues };
}

main(process.argv.slice(2)).catch((error: unknown) => {
  process.stderr.write(`${toSpriteSyncError(error, "storage-failed").message}\n`);
  process.exitCode = 2;
});
