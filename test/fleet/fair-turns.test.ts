import { describe, expect, test } from "vitest";
import { createPacer } from "../../edge/fleet/pacer.ts";

const PACE = { perSecond: 1, burst: 2 };
const PATIENCE_MS = 10_000;

interface Group {
  readonly client: string;
  readonly holder: string;
  /** When it asks first, milliseconds. */
  readonly at: number;
}

const groupsOf = (client: string, count: number, at: number): Group[] =>
  Array.from({ length: count }, (_, n) => ({ client, holder: `${client}${n}`, at: at + n }));

/** Lets every group ask until it has its turn, each a little late when told to come back. @returns when those are. */
function play(groups: readonly Group[], lateMs = 200): Map<string, number> {
  let now = 0;
  const pacer = createPacer(() => now);
  const asks = groups.map((group) => ({ ...group, next: group.at }));
  const turns = new Map<string, number>();
  while (asks.length > 0) {
    asks.sort((one, other) => one.next - other.next);
    const ask = asks[0];
    if (!ask) break;
    now = ask.next;
    const { client, holder } = ask;
    const { granted, inMs } = pacer.next({ key: "app", pace: PACE, patienceMs: PATIENCE_MS, holder, client });
    if (granted) {
      turns.set(holder, now + inMs);
      asks.shift();
    } else ask.next = now + Math.max(1, inMs) + lateMs;
  }
  return turns;
}

describe("turns of several clients", () => {
  test("a client with one group is not behind the sixty of another, and those are hardly later for it", () => {
    const turns = play([...groupsOf("many", 60, 0), ...groupsOf("one", 1, 1_000)]);
    const waited = (turns.get("one0") ?? 0) - 1_000;
    expect(waited).toBeLessThan(15_000);
    expect(Math.max(...turns.values())).toBeLessThan(75_000);
  });

  test("clients with as many groups are done at about the same time, whoever came first", () => {
    const clients = ["a", "b", "c", "d"];
    const turns = play(clients.flatMap((client, n) => groupsOf(client, 20, 100 * n)));
    const ends = clients.map((client) =>
      Math.max(...[...turns].filter(([holder]) => holder.startsWith(client)).map(([, at]) => at)),
    );
    expect(Math.max(...ends) - Math.min(...ends)).toBeLessThan(15_000);
  });

  test("a new client has its turn soon though many others have long lines", () => {
    const crowd = Array.from({ length: 10 }, (_, n) => groupsOf(`crowd${n}-`, 20, n));
    const turns = play([...crowd.flat(), ...groupsOf("late", 1, 30_000)]);
    expect((turns.get("late0") ?? 0) - 30_000).toBeLessThan(30_000);
  });

  test("the groups of one client have their turns in the order in which they came", () => {
    const turns = play([...groupsOf("many", 40, 0), ...groupsOf("other", 10, 5_000)], 0);
    for (const [client, count] of [
      ["many", 40],
      ["other", 10],
    ] as const) {
      const at = groupsOf(client, count, 0).map(({ holder }) => turns.get(holder) ?? 0);
      expect(at).toEqual(at.toSorted((one, other) => one - other));
    }
  });

  test("all keep the pace together, however late they come", () => {
    for (const lateMs of [0, 200, 5_000]) {
      const turns = play(
        [...groupsOf("a", 30, 0), ...groupsOf("b", 30, 500), ...groupsOf("c", 5, 20_000)],
        lateMs,
      );
      const at = [...turns.values()].sort((one, other) => one - other);
      expect(at).toHaveLength(65);
      for (let n = 2; n < at.length; n++) expect((at[n] ?? 0) - (at[n - 2] ?? 0)).toBeGreaterThanOrEqual(999);
    }
  });
});
