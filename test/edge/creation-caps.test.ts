import { describe, expect, test } from "vitest";
import { CAPS, type CapLimits, type CapStore, CreationCaps } from "../../edge/creation-caps.ts";
import { CreationGuard } from "../../edge/creation-guard.ts";
import type { SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";

const HOUR_MS = 3_600_000;
const NOW = 1_000 * 24 * HOUR_MS;
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };
const home = (n: number) => `co_zGroup${n}` as GroupId;
const limits = (changes: Partial<CapLimits>): CapLimits => ({
  ...(Object.fromEntries(CAPS.map((cap) => [cap, 0])) as CapLimits),
  ...changes,
});

function memoryStore(): CapStore & { readonly size: () => number } {
  const counters = new Map<string, { made: number; ends: number }>();
  const made = (counter: string) => counters.get(counter)?.made ?? 0;
  const add = (counter: string, ends: number) =>
    void counters.set(counter, { made: made(counter) + 1, ends: counters.get(counter)?.ends ?? ends });
  return {
    made,
    add,
    isFounded: (id) => made(`home ${id}`) > 0,
    setFounded: (id, _, ends) => add(`home ${id}`, ends),
    forgetBefore(now) {
      for (const [counter, { ends }] of counters) if (ends <= now) counters.delete(counter);
    },
    size: () => counters.size,
  };
}

describe("caps on new Sprites", () => {
  test("refuse the client that reached its own, and nobody else, until its window ends", () => {
    const caps = new CreationCaps(memoryStore());
    const cap = limits({ "client-hour": 2 });
    const take = (n: number, client: string, at = NOW) => caps.take(home(n), { client }, cap, at);
    expect([take(1, "a"), take(2, "a")]).toEqual([undefined, undefined]);
    expect(take(3, "a", NOW + 60_000)).toEqual({ cap: "client-hour", limit: 2, retryAfterMs: 59 * 60_000 });
    expect(take(4, "b")).toBeUndefined();
    expect(take(3, "a", NOW + HOUR_MS)).toBeUndefined();
  });

  test.each([
    ["key-hour", { client: "b", key: "k" }, { client: "b", key: "other" }],
    ["key-day", { client: "b", key: "k" }, { client: "b" }],
    ["client-day", { client: "a" }, { client: "b" }],
  ] as const)("%s counts what it says", (cap, over, under) => {
    const caps = new CreationCaps(memoryStore());
    const one = limits({ [cap]: 1 });
    caps.take(home(1), { client: "a", key: "k" }, one, NOW);
    expect(caps.take(home(2), over, one, NOW)).toMatchObject({ cap });
    expect(caps.take(home(3), under, one, NOW)).toBeUndefined();
  });

  test.each(["hour", "day", "total"] as const)(
    "%s counts all clients, and is told to the operator",
    (cap) => {
      const caps = new CreationCaps(memoryStore());
      const one = limits({ [cap]: 1 });
      caps.take(home(1), { client: "a" }, one, NOW);
      expect(caps.report(one, NOW)).toMatchObject({ [cap]: { made: 1, limit: 1 }, refused: 0, reached: [] });
      expect(caps.take(home(2), { client: "b" }, one, NOW)).toMatchObject({ cap });
      expect(caps.report(one, NOW)).toMatchObject({
        [cap]: { made: 1, limit: 1 },
        refused: 1,
        reached: [cap],
      });
    },
  );

  test("count a home once, however often it is asked for, and forget all but the total", () => {
    const store = memoryStore();
    const caps = new CreationCaps(store);
    for (let n = 0; n < 5; n++) caps.take(home(1), { client: "a", key: "k" }, limits({ total: 1 }), NOW);
    expect(caps.report(limits({}), NOW).total.made).toBe(1);
    caps.take(home(1), { client: "b" }, limits({ hour: 1 }), NOW + 48 * HOUR_MS);
    expect(caps.report(limits({}), NOW + 48 * HOUR_MS)).toMatchObject({
      hour: { made: 1 },
      day: { made: 1 },
      total: { made: 2 },
    });
    // Client, all and home of the new window; the total.
    expect(store.size()).toBe(6);
  });
});

describe("the guard of one client", () => {
  function guardOf(take: () => Promise<never> | Promise<undefined>, limiterFails = false) {
    const told: SpriteSyncError[] = [];
    let calls = 0;
    let now = NOW;
    const guard = new CreationGuard({
      client: { kind: "visitor", countedBy: "a" },
      limiter: {
        async limit() {
          if (limiterFails) throw new Error("the counter is down");
          return { success: true };
        },
      },
      take: () => {
        calls++;
        return take();
      },
      tell: (error) => told.push(error),
      now: () => now,
      log: SILENT,
    });
    return { guard, told, calls: () => calls, later: (ms: number) => (now += ms) };
  }

  test("lets no Sprite be made while it cannot be counted, and asks again after a while", async () => {
    const { guard, told, calls, later } = guardOf(() => Promise.reject(new Error("down")));
    expect(await guard.mayFound(home(1))).toBe(false);
    expect(await guard.mayFound(home(2))).toBe(false);
    expect(calls()).toBe(1);
    guard.onRefused();
    expect(told).toMatchObject([{ code: "transient" }]);
    later(10_000);
    await guard.mayFound(home(1));
    expect(calls()).toBe(2);
  });

  test("lets no Sprite be made while Cloudflare's counter fails", async () => {
    const { guard, calls } = guardOf(async () => undefined, true);
    expect([await guard.mayFound(home(1)), calls()]).toEqual([false, 0]);
  });
});
