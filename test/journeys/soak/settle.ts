import { isDeepStrictEqual } from "node:util";
import type { LocalNode, RawCoID } from "cojson";
import { startGuest } from "../../support/guest.ts";
import { until } from "../../support/until.ts";
import { hasNote } from "./author.ts";
import { auditStores } from "./stores.ts";
import { loadWhatIsThere, type World } from "./world.ts";

/** A settled world that does not come about in this time never will: reconnections, wakes and retries fit several times. */
const SETTLE_MS = 90_000;
const LOOK_EVERY_MS = 250;

/**
 * Waits until nothing moves any more and holds the result against every promise.
 * @throws Error naming what differs.
 */
export async function settle(world: World): Promise<void> {
  await allEqual(world, "after the schedule");
  const limit = `not everything was acknowledged within ${SETTLE_MS} ms`;
  await within(Promise.all(world.authors.map(({ client }) => client.synced())), limit);
  await freshClientLoadsTheSame(world);
  await allSleep(world);
  await auditStores(world);
  await wakeOnceMore(world);
  await allSleep(world);
  await auditStores(world);
  if (world.outages.unexplained.length > 0) throw new Error(world.outages.unexplained.join("\n"));
  if (world.faults.length > 0) throw new Error("something failed that no accident explains");
}

async function wakeOnceMore(world: World): Promise<void> {
  for (const [n, team] of world.teams.entries()) {
    const author = world.authors[n % world.authors.length];
    const value = team.values.at(-1);
    if (author && value) world.diary.line(`the last write: ${author.write(value)}`);
  }
  await allEqual(world, "after waking once more");
  await within(Promise.all(world.authors.map(({ client }) => client.synced())), "the last writes' acks");
}

async function freshClientLoadsTheSame(world: World): Promise<void> {
  const guest = await startGuest(world.stack.syncUrl, (end) => world.outages.ended("the last guest", end));
  try {
    // Asked for by somebody who has nothing of them, so that those wake who lost their disks asleep: else nobody needs them.
    await Promise.all(world.authors.map(({ client }) => loadWhatIsThere(guest, client.accountID)));
    await Promise.all(world.values.map(({ id }) => loadWhatIsThere(guest, id)));
    const [author] = world.authors;
    if (!author) throw new Error("there is nobody to compare with");
    await agree(() => firstDifference(author.node, guest.node, sharedIds(world)), "a fresh client");
  } finally {
    await guest.close();
  }
}

async function allEqual(world: World, when: string): Promise<void> {
  const [first, ...others] = world.authors;
  if (!first) throw new Error("there is nobody to compare");
  await agree(() => {
    for (const author of world.authors) {
      const lacking = world.values.filter(({ id }) => !author.has.has(id));
      if (lacking.length > 0) return `${author.name} never got ${lacking.map(({ id }) => id).join(", ")}`;
    }
    for (const other of others) {
      const difference = firstDifference(first.node, other.node, sharedIds(world));
      if (difference) return `${first.name} and ${other.name}: ${difference}`;
    }
    for (const { guest, name, team } of world.visitors) {
      const seen = team.values.map(({ id }) => id).filter((id) => guest.node.getCoValue(id).isAvailable());
      const difference = firstDifference(first.node, guest.node, seen);
      if (difference) return `${first.name} and ${name}: ${difference}`;
    }
    // Only now: an author that lacks what others wrote has not lost what it wrote itself.
    const lost = world.legacy.find(({ value, device }) => !hasNote(first.node, value, device));
    if (lost) return `what ${lost.device} left in ${lost.value.id} is not there once`;
    return world.authors.map((author) => author.misses()).find((miss) => miss !== undefined);
  }, when);
}

function sharedIds(world: World): RawCoID[] {
  return world.teams.flatMap(({ id, values }) => [id, ...values.map((value) => value.id)]);
}

/** What differs first, in what two nodes know or in what they show. */
function firstDifference(one: LocalNode, other: LocalNode, ids: readonly RawCoID[]): string | undefined {
  for (const id of ids) {
    const [a, b] = [one.getCoValue(id), other.getCoValue(id)];
    const [mine, theirs] = [a.knownState(), b.knownState()];
    if (!isDeepStrictEqual(mine, theirs))
      return `${JSON.stringify(mine)}\n  is not ${JSON.stringify(theirs)}`;
    if (!a.isAvailable() || !b.isAvailable()) return `${id} is not available`;
    const shown = contentDifference(a.getCurrentContent().toJSON(), b.getCurrentContent().toJSON());
    if (shown) return `both know the same of ${id}, and show different contents: ${shown}`;
  }
  return undefined;
}

async function agree(difference: () => string | undefined, when: string): Promise<void> {
  const deadline = performance.now() + SETTLE_MS;
  for (;;) {
    const found = difference();
    if (!found) return;
    if (performance.now() > deadline) throw new Error(`${when} it still differs: ${found}`);
    await new Promise((next) => setTimeout(next, LOOK_EVERY_MS));
  }
}

async function allSleep(world: World): Promise<void> {
  await until(() => world.stack.fleet.machines().every(({ state }) => state === "stopped"), {
    what: "every Sprite sleeping in the end",
    timeoutMs: SETTLE_MS,
  });
}

async function within<T>(promise: Promise<T>, what: string): Promise<T> {
  const { promise: late, reject } = Promise.withResolvers<never>();
  const timer = setTimeout(() => reject(new Error(what)), SETTLE_MS);
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** The first key or place at which two contents differ. */
function contentDifference(one: unknown, other: unknown): string | undefined {
  if (isDeepStrictEqual(one, other)) return undefined;
  const [a, b] = [Object.entries(one ?? {}), new Map(Object.entries(other ?? {}))];
  const found = a.find(([key, value]) => !isDeepStrictEqual(value, b.get(key)));
  if (!found) return `${a.length} members, and ${b.size}`;
  const [key, value] = found;
  return `${key} is ${excerpt(value)}, and ${excerpt(b.get(key))}`;
}

function excerpt(content: unknown): string {
  return (JSON.stringify(content) ?? "nothing").slice(0, 100);
}
