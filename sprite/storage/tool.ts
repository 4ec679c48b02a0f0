import { defineTool } from "../../cli/tool.ts";
import { backup, backups, restore } from "./commands/backup.ts";
import type { Command } from "./commands/command.ts";
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

/** `npm run sprite`. */
export const SPRITE = defineTool({
  name: "sprite",
  commands: COMMANDS,
  options: { json: { type: "boolean", about: "prints JSON" } },
  notes: `What only reads a store works also while a Sprite has it open. import, compact and restore write, and refuse a store that is
open. A command ends with 1 when it found something wrong or left something out, and with 2 when it could not be done.
Content of transactions is in what export, checkpoint and backup write, and nowhere else.`,
  failureCode: 2,
  async run(command, operands, options, { print }) {
    const progress = new Progress(process.stderr);
    const printed = await command.run(operands, options, progress).finally(() => progress.clear());
    print(options.json ? JSON.stringify(printed.json) : printed.lines.join("\n"));
    return printed.sound ? 0 : 1;
  },
});
