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

export interface Placement extends Resolution {
  /** Ids that get a home when something else has come: the home of their leader, or the proof that they may be one. */
  readonly waiting: ReadonlySet<CoValueId>;
}

/**
 * Finds the homes of `ids`, and gives one to those that have none and prove themselves by content: a
 * leader's home is also that of what follows it; what has no leader becomes a home if it is proven.
 * @param leaders for each id that may be placed, its leader. Ids that are not in here are only looked up.
 * @param isProven whether a value that has no home and no leader may become one, which makes a Sprite.
 */
export async function placeAll(
  directory: Directory,
  ids: Iterable<CoValueId>,
  leaders: ReadonlyMap<CoValueId, CoValueId | undefined>,
  isProven: (id: CoValueId) => Promise<boolean>,
): Promise<Placement> {
  // What follows a leader is not looked up: registering it tells as well where it lives, if it does already.
  const unknown = new Set([...ids].filter((id) => !leaders.get(id)));
  for (const leader of leaders.values()) if (leader && !leaders.has(leader)) unknown.add(leader);
  const found = await directory.lookup(unknown);
  const homes = new Map(found.homes);
  const unreachable = new Set(found.unreachable);
  const proven = await provenOf(leaders, (id) => homes.has(id) || unreachable.has(id), isProven);
  const todo = new Set([...leaders.keys()].filter((id) => !homes.has(id) && !unreachable.has(id)));
  for (;;) {
    for (const id of todo) if (unreachable.has(leaders.get(id) ?? id)) unreachable.add(id);
    for (const id of unreachable) todo.delete(id);
    const entries = nextEntries(todo, leaders, homes, proven);
    if (entries.size === 0) break;
    const registered = await directory.register(entries);
    for (const [id, home] of registered.homes) homes.set(id, home);
    for (const id of registered.unreachable) unreachable.add(id);
    for (const id of entries.keys()) todo.delete(id);
  }
  return { homes, unreachable, waiting: todo };
}

async function provenOf(
  leaders: ReadonlyMap<CoValueId, CoValueId | undefined>,
  isSettled: (id: CoValueId) => boolean,
  isProven: (id: CoValueId) => Promise<boolean>,
): Promise<ReadonlySet<CoValueId>> {
  const proven = new Set<CoValueId>();
  // One by one: a frame may hold thousands, and each takes a signature.
  for (const [id, leader] of leaders) {
    if (!leader && !isSettled(id) && (await isProven(id))) proven.add(id);
  }
  return proven;
}

/** The entries that can be registered now: leaders first, then those that follow them. */
function nextEntries(
  todo: ReadonlySet<CoValueId>,
  leaders: ReadonlyMap<CoValueId, CoValueId | undefined>,
  homes: ReadonlyMap<CoValueId, GroupId>,
  proven: ReadonlySet<CoValueId>,
): Map<CoValueId, GroupId> {
  const entries = new Map<CoValueId, GroupId>();
  for (const id of todo) {
    const leader = leaders.get(id);
    const home = leader ? homes.get(leader) : proven.has(id) ? asHome(id) : undefined;
    if (home) entries.set(id, home);
  }
  return entries;
}
