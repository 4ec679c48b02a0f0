import { LRUCache } from "lru-cache";
import { describe, expect, test } from "vitest";
import { Locator } from "../../edge/locator.ts";
import { failedReply } from "../../edge/reply.ts";
import { ShardQueue } from "../../edge/shard-queue.ts";
import type { FreshPlace, SpritePlace } from "../../edge/sprite-place.ts";
import { SpriteSyncError } from "../../shared/errors.ts";
import { asHome, idFromHash } from "../../shared/ids.ts";

const HOME = asHome(idFromHash(new Uint8Array(19).fill(5)));
const place = (boot: string | null): SpritePlace => ({ url: "https://x", headers: { a: "b" }, boot });
const fresh = (boot: string): FreshPlace => ({ ...place(boot), after: 7 });
const period = (boot: string) => ({ number: 1, boot });

/** An isolate: what its locators share, and what they ask. */
function isolate({
  kv = null as unknown,
  outdated = "",
  reply = async () => ({ ok: true as const, value: fresh("b1") }) as never,
} = {}) {
  const asked = { locate: [] as boolean[], met: [] as string[], kv: 0 };
  const shared = { places: new LRUCache<typeof HOME, SpritePlace>({ max: 10 }), flights: new Map() };
  const locator = () =>
    new Locator({
      ...shared,
      isOutdated: (_, { image }) => image === outdated && outdated !== "",
      kv: {
        get: async () => {
          asked.kv++;
          return kv;
        },
      },
      coordinator: () => ({
        locate: async (_, fresh) => {
          asked.locate.push(fresh);
          return reply();
        },
        met: async ({ boot }) => {
          asked.met.push(boot);
          return { overtaken: boot === "overtaken" };
        },
        fellAsleep: async () => {
          throw new Error("a coordinator of an older version");
        },
        unchanged: async () => {
          throw new Error("a coordinator of an older version");
        },
      }),
    });
  return { asked, locator };
}

describe("the locator", () => {
  test("makes one flight for many sessions of an isolate, and none once the place is known", async () => {
    const { asked, locator } = isolate();
    await Promise.all(Array.from({ length: 100 }, () => locator().locate(HOME, false)));
    await locator().locate(HOME, false);
    expect(asked.locate).toEqual([false]);
  });

  test("lets those ask for themselves who joined the flight of a session that ended", async () => {
    const answers: PromiseWithResolvers<never>[] = [];
    const { asked, locator } = isolate({
      reply: () => {
        const answer = Promise.withResolvers<never>();
        answers.push(answer);
        return answer.promise;
      },
    });
    const [first, second] = [locator(), locator()];
    const leaving = first.locate(HOME, false);
    const joined = second.locate(HOME, false);
    await new Promise((next) => setImmediate(next));
    expect(asked.locate).toHaveLength(1);
    first.end();
    await expect(leaving).rejects.toMatchObject({ code: "transient" });
    await new Promise((next) => setImmediate(next));
    answers[1]?.resolve({ ok: true, value: fresh("b1") } as never);
    expect(await joined).toEqual(fresh("b1"));
  });

  test("tells how many awake periods there were only to whoever asked just now", async () => {
    const { locator } = isolate();
    expect(await locator().locate(HOME, false)).toEqual(fresh("b1"));
    expect(await locator().locate(HOME, false)).toEqual(place("b1"));
  });

  test("asks the coordinator before a Sprite with an old image is woken by its address, from KV or its own cache", async () => {
    const reply = { ok: true as const, value: { ...fresh("b1"), image: "old" } } as never;
    const { asked, locator } = isolate({
      kv: { ...place("b0"), image: "old" },
      outdated: "old",
      reply: async () => reply,
    });
    expect(await locator().locate(HOME, false)).toMatchObject({ boot: "b1" });
    await locator().locate(HOME, false);
    expect(asked.locate).toEqual([false, false]);
  });

  test("takes KV's word for an address, and asks the coordinator once that failed", async () => {
    const { asked, locator } = isolate({ kv: place("old") });
    expect(await locator().locate(HOME, false)).toEqual(place("old"));
    expect(asked.locate).toEqual([]);
    expect(await locator().locate(HOME, true)).toEqual(fresh("b1"));
    expect(asked.locate).toEqual([true]);
  });

  test("does not believe what KV holds when it has another shape", async () => {
    const { asked, locator } = isolate({ kv: { url: 7 } });
    await locator().locate(HOME, false);
    expect(asked.locate).toEqual([false]);
  });

  test("reports an awake period that the coordinator has not named, and no other", async () => {
    const { asked, locator } = isolate();
    const found = await locator().locate(HOME, false);
    await locator().met(HOME, found, period("b1"));
    await locator().met(HOME, found, period("b2"));
    await locator().met(HOME, await locator().locate(HOME, false), period("b2"));
    expect(asked.met).toEqual(["b2"]);
  });

  test("reports a period once for all sessions of an isolate that dialled before it was known", async () => {
    const { asked, locator } = isolate();
    const found = await locator().locate(HOME, false);
    for (let n = 0; n < 3; n++) await locator().met(HOME, found, period("b2"));
    expect(asked.met).toEqual(["b2"]);
  });

  test("does not let a socket of an overtaken awake period be used, and does not remember it", async () => {
    const { asked, locator } = isolate();
    const found = await locator().locate(HOME, false);
    await expect(locator().met(HOME, found, period("overtaken"))).rejects.toMatchObject({
      code: "transient",
    });
    await locator().met(HOME, await locator().locate(HOME, false), period("b1"));
    expect(asked.met).toEqual(["overtaken"]);
  });

  test("reads no answer about digests as: ask the Sprite itself", async () => {
    const { locator } = isolate();
    expect(await locator().unchanged(HOME, [])).toBeUndefined();
    await locator().fellAsleep(HOME, "b1", { was: undefined, is: "m", values: "" });
  });

  test("passes the coordinator's errors on with their code, and forgets the flight", async () => {
    const error = failedReply(new SpriteSyncError("rate", "slow down", { retryAfterMs: 1500 }));
    const { asked, locator } = isolate({ reply: async () => error as never });
    for (let n = 0; n < 2; n++) {
      await expect(locator().locate(HOME, false)).rejects.toMatchObject({ code: "rate", retryAfterMs: 1500 });
    }
    expect(asked.locate).toHaveLength(2);
  });
});

describe("a shard's queue", () => {
  test("gathers what comes while a call is under way into the next call", async () => {
    const calls: PromiseWithResolvers<Record<string, string>>[] = [];
    const sizes: number[] = [];
    const queue = new ShardQueue<string, undefined>((entries) => {
      sizes.push(entries.size);
      const call = Promise.withResolvers<Record<string, string>>();
      calls.push(call);
      return call.promise;
    }, 1000);
    const answers = ["a", "b", "c"].map((key) => queue.ask([[key, undefined]]));
    calls[0]?.resolve({ a: "1" });
    expect(await answers[0]).toEqual({ a: "1" });
    await new Promise((next) => setImmediate(next));
    calls[1]?.resolve({ b: "2", c: "3" });
    expect(await answers[2]).toEqual({ b: "2", c: "3" });
    expect(sizes).toEqual([1, 2]);
  });

  test("goes on after a call that failed", async () => {
    let fail = true;
    const queue = new ShardQueue<string, undefined>(async () => {
      if (fail) throw new Error("down");
      return {};
    }, 1000);
    await expect(queue.ask([["a", undefined]])).rejects.toThrow("down");
    fail = false;
    await expect(queue.ask([["a", undefined]])).resolves.toEqual({});
  });
});
