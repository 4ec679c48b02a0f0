import type { Command } from "./command.ts";
import { failureText, UsageError } from "./failure.ts";

/** Exit code of a command line that cannot be followed, as of most programs. */
const WRONG_USAGE = 2;

/**
 * Runs a script of package.json with the arguments of this process. A failure is told on stderr and ends the process, which
 * may have servers open; otherwise it ends when nothing is left to be done.
 *
 * @param load gives the command; where it is loaded only then, a failure to load is explained, too.
 */
export async function main(load: Command | (() => Promise<Command>)): Promise<void> {
  let command: Command | undefined;
  try {
    command = typeof load === "function" ? await load() : load;
    process.exitCode = await command.run(process.argv.slice(2), {
      print: (text) => void process.stdout.write(`${text}\n`),
      env: process.env,
    });
  } catch (error) {
    process.stderr.write(`${failureText(error)}\n`);
    process.exit(error instanceof UsageError ? WRONG_USAGE : (command?.failureCode ?? 1));
  }
}
