import { join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { LocalNode, RawCoID } from "cojson";
import { auditStore } from "../../../sprite/storage/audit.ts";
import { openView } from "../../../sprite/storage/store-view.ts";
import type { Machine, World } from "./world.ts";

/**
 * Reads the stores of all Sprites: each must be sound, and hold of its team's values what the clients have.
 * @throws Error naming what is wrong.
 */
export async function auditStores(world: World): Promise<void> {
  for (const machine of world.stack.fleet.machines()) {
    const problems = await audit(world, machine);
    if (problems.length > 0) throw new Error(`the store of ${machine.name}: ${problems.join("; ")}`);
  }
}

async function audit(world: World, { name, volumeDir }: Machine): Promise<string[]> {
  if (!volumeDir) throw new Error(`${name} has no volume`);
  const view = await openView(join(volumeDir, "hypercore-storage"));
  try {
    const { journal, rowStore } = view.engine;
    const report = await auditStore(journal, rowStore);
    const problems = report.problems.map(({ id, what }) => `${id ?? "the log"} ${what}`);
    const { node, ids } = residents(world, name);
    for (const id of ids) {
      const row = await rowStore.get(id);
      const stored = Object.fromEntries(row?.coSessions.map(({ id, count }) => [id, count]) ?? []);
      const known = { ...node?.getCoValue(id).knownState().sessions };
      if (!isDeepStrictEqual(stored, known))
        problems.push(`${id} is stored as ${JSON.stringify(stored)} and known as ${JSON.stringify(known)}`);
    }
    return problems;
  } finally {
    await view.close();
  }
}

/** What must be in the store of this name, and somebody who has it. */
function residents({ authors, teams }: World, sprite: string): { node?: LocalNode; ids: RawCoID[] } {
  const [first] = authors;
  const team = teams.find((candidate) => candidate.sprite === sprite);
  if (team && first) {
    const ids = [team.id, ...team.values.map(({ id }) => id), ...(team.parent ? [team.parent] : [])];
    return { node: first.node, ids };
  }
  const owner = authors.find((author) => author.sprite === sprite);
  return owner ? { node: owner.node, ids: [owner.client.accountID] } : { ids: [] };
}
