import { findOrphans, type Orphan } from "../../../edge/fleet/machines-orphans.ts";
import { type Command, type MachinesTools, table } from "../command.ts";

export const orphans: Command = {
  usage: [
    [
      "orphans [--delete]",
      "volumes and Machines that are left over; removed with --delete where nothing can be lost",
    ],
  ],
  operands: [0, 0],
  options: { delete: { type: "boolean" } },
  async run(_operands, options, tools) {
    const { api } = tools.machines();
    // Machines first: a volume that one of them has mounted since is attached, and Fly refuses to delete it.
    const machines = await api.listMachines();
    const found = findOrphans(machines, await api.listVolumes(), Date.now());
    const deleted = options.delete === true ? await removeAll(found, api) : [];
    const rows = found.map(({ kind, id, name, region, deletable }) => {
      const fate = deleted.includes(id) ? "deleted" : deletable ? "can be deleted" : "kept";
      return [kind, id, name, region, fate];
    });
    const lines = rows.length > 0 ? table(rows) : ["nothing is left over"];
    return { lines, json: found.map((orphan) => ({ ...orphan, deleted: deleted.includes(orphan.id) })) };
  },
};

async function removeAll(found: readonly Orphan[], api: MachinesTools["api"]): Promise<string[]> {
  const deletable = found.filter((orphan) => orphan.deletable);
  for (const { kind, id } of deletable)
    await (kind === "half-made-machine" ? api.deleteMachine(id) : api.deleteVolume(id));
  return deletable.map(({ id }) => id);
}
