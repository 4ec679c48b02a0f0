import { LRUCache } from "lru-cache";
import { expect, test } from "vitest";
import { GuardedDirectory } from "../../edge/guarded-directory.ts";
import { placeAll } from "../../edge/place.ts";
import { asHome, type CoValueId, type GroupId, idFromHash } from "../../shared/ids.ts";

const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const group = (n: number) => idFromHash(new Uint8Array(19).fill(n));

/** A directory on one shard in memory, in which `allowance` more homes may be founded. */
function world(allowance: number, known: Record<string, string> = {}) {
  const stored = { ...known };
  const asked = { mayFound: 0, refusals: 0 };
  const directory = new GuardedDirectory(
    {
      shard: () => ({
        lookup: async (ids) =>
          Object.fromEntries(ids.flatMap((id) => (stored[id] ? [[id, stored[id]] as const] : []))),
        register: async (homes) => {
          for (const [id, home] of Object.entries(homes)) stored[id] ??= home;
          return Object.fromEntries(Object.keys(homes).map((id) => [id, stored[id] ?? ""]));
        },
      }),
      log: SILENT,
      cache: new LRUCache<CoValueId, GroupId>({ max: 100 }),
    },
    {
      mayFound: async () => asked.mayFound++ < allowance,
      onRefused: () => asked.refusals++,
    },
  );
  return { directory, stored, asked };
}

const founding = (...ids: CoValueId[]) => new Map(ids.map((id) => [id, asHome(id)]));

test("As many homes as allowed are founded; the others are unreachable for now, and nobody hears of them", async () => {
  const { directory, stored, asked } = world(2);
  const { homes, unreachable } = await directory.register(founding(group(1), group(2), group(3), group(4)));
  expect([...homes.keys()]).toEqual([group(1), group(2)]);
  expect([...unreachable]).toEqual([group(3), group(4)]);
  expect(Object.keys(stored)).toEqual([group(1), group(2)]);
  // One question too many, not one for each that is over.
  expect(asked).toEqual({ mayFound: 3, refusals: 1 });
});

test("Values of homes that there are, and homes that are uploaded once more, cost nothing", async () => {
  const { directory, asked } = world(0, { [group(1)]: group(1) });
  const entries = new Map([...founding(group(1)), [group(9), asHome(group(1))] as const]);
  const { homes, unreachable } = await directory.register(entries);
  expect([[...homes.keys()].toSorted(), unreachable.size]).toEqual([[group(1), group(9)].toSorted(), 0]);
  expect(asked).toEqual({ mayFound: 0, refusals: 0 });
});

test("A value waits together with the group that may not be founded yet, and others do not", async () => {
  const { directory, stored } = world(0, { [group(1)]: group(1) });
  const leaders = new Map<CoValueId, CoValueId | undefined>([
    [group(2), undefined],
    [group(3), group(2)],
    [group(4), group(1)],
  ]);
  const { homes, unreachable } = await placeAll(directory, leaders.keys(), leaders, async () => true);
  expect([...unreachable].toSorted()).toEqual([group(2), group(3)].toSorted());
  expect(homes.get(group(4))).toBe(group(1));
  expect(stored).toEqual({ [group(1)]: group(1), [group(4)]: group(1) });
});

test("A client is told once that it has to wait, and again after it did not have to", async () => {
  const { directory, asked } = world(0);
  for (let n = 0; n < 5; n++) await directory.register(founding(group(1)));
  expect(asked.refusals).toBe(1);
  asked.mayFound = -1;
  await directory.register(founding(group(1)));
  await directory.register(founding(group(2)));
  expect(asked.refusals).toBe(2);
});
