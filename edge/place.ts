import { asHome, type CoValueId, type GroupId } from "../shared/ids.ts";
import { type ContentMessage, transactionsOf } from "../shared/messages.ts";
import { leaderOf, type PlacementPolicy, readsTransactions } from "../shared/placement.ts";
import type { Directory, Resolution } from "./directory.ts";

/** The CoValue whose home this content's value would share under `policy`; `undefined`: it is its own home. */
export function leaderOfContent(policy: PlacementPolicy, content: ContentMessage): CoValueId | undefined {
  const { header } = content;
  if (!header) return undefined;
  const leader = leaderOf(policy, header, readsTransactions(policy, header) ? transactionsOf(content) : []);
  return leader === content.id ? undefined : leader;
}

/**
 * Finds the homes of `ids`, and gives one to those that have none and prove themselves by content (design §3.2-3.4).
 * A leader without a home (the group of an owned value, the parent of a group) is placed as well, so that they stay
 * together.
 * @param leaders for each id that may be placed, its leader. Ids that are not in here are only looked up.
 */
export async function placeAll(
  directory: Directory,
  ids: Iterable<CoValueId>,
  leaders: ReadonlyMap<CoValueId, CoValueId | undefined>,
): Promise<Resolution> {
  // What brings content is not looked up: registering it tells as well where it lives, if it does already.
  const unknown = new Set([...ids].filter((id) => !leaders.has(id)));
  for (const leader of leaders.values()) if (leader && !leaders.has(leader)) unknown.add(leader);
  const found = await directory.lookup(unknown);
  const homes = new Map(found.homes);
  const unreachable = new Set(found.unreachable);
  const todo = new Set(leaders.keys());
  while (todo.size > 0) {
    const entries = nextEntries(todo, leaders, homes, unreachable);
    const registered = await directory.register(entries);
    for (const [id, home] of registered.homes) homes.set(id, home);
    for (const id of registered.unreachable) unreachable.add(id);
    for (const id of todo) if (homes.has(id) || unreachable.has(id)) todo.delete(id);
  }
  return { homes, unreachable };
}

/** The entries that can be registered now: leaders first, then those that follow them. */
function nextEntries(
  todo: ReadonlySet<CoValueId>,
  leaders: ReadonlyMap<CoValueId, CoValueId | undefined>,
  homes: ReadonlyMap<CoValueId, GroupId>,
  unreachable: Set<CoValueId>,
): Map<CoValueId, GroupId> {
  const entries = new Map<CoValueId, GroupId>();
  let blocked = true;
  for (const id of todo) {
    const leader = leaders.get(id);
    const home = leader ? homes.get(leader) : asHome(id);
    if (home) entries.set(id, home);
    else if (leader && unreachable.has(leader)) {
      unreachable.add(id);
      blocked = false;
    } else if (leader && !todo.has(leader)) entries.set(leader, asHome(leader));
  }
  const [first] = todo;
  // Groups that claim each other as parents: one of them has to be the home.
  if (entries.size === 0 && blocked && first) entries.set(first, asHome(first));
  return entries;
}
