import type { OptionValues, Subcommand } from "../../cli/tool.ts";
import type { EdgeConfig } from "../../edge/config.ts";
import type { Fleet } from "../../edge/fleet/fleet.ts";
import type { MachinesApi } from "../../edge/fleet/machines-api.ts";
import type { Log } from "../../shared/log.ts";

/** What commands work with. */
export interface Tools {
  readonly config: EdgeConfig;
  readonly fleet: Fleet;
  /** What only Fly Machines have. @throws SpriteSyncError `config-invalid` on Fly Sprites */
  readonly machines: () => MachinesTools;
  readonly pause: (ms: number) => Promise<void>;
  /** For people, while something takes long; not part of the result. */
  readonly say: (line: string) => void;
  readonly log: Log;
}

export interface MachinesTools {
  readonly config: EdgeConfig & { readonly FLEET: "machines" };
  readonly api: MachinesApi;
}

/** What a command says when it has done its work. */
export interface Printed {
  readonly lines: readonly string[];
  /** The same for `--json`. */
  readonly json: unknown;
  /** False when something could not be done: the process then ends with 1. */
  readonly sound?: boolean;
}

/** One of an operator's commands on the fleet. Without its option that says so, none of them removes anything. */
export interface Command extends Subcommand {
  run(operands: readonly string[], options: OptionValues, tools: Tools): Promise<Printed>;
}

/** Rows with their columns one below the other. */
export function table(rows: readonly (readonly string[])[]): string[] {
  const widths = (rows[0] ?? []).map((_, at) => Math.max(...rows.map((row) => row[at]?.length ?? 0)));
  return rows.map((row) =>
    row
      .map((cell, at) => cell.padEnd(widths[at] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}
