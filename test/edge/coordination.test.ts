import { expect, test } from "vitest";
import { type AwakePeriods, NEVER_AWAKE } from "../../edge/awake-periods.ts";
import { systemClock } from "../../edge/clock.ts";
import { Coordination, type KeptDigest } from "../../edge/coordination.ts";
import type { Fleet, SpriteRecord } from "../../edge/fleet/fleet.ts";
import { type Digest, joinRecords, recordOf } from "../../shared/digest.ts";
import { asHome, idFromHash } from "../../shared/ids.ts";
import { LIMITS } from "../../shared/limits.ts";

const HOME = asHome(idFromHash(new Uint8Array(19).fill(5)));
const record = (count: number, n = 1) =>
  recordOf(idFromHash(new Uint8Array(19).fill(n)), { header: true, sessions: { s: count } });
const digest = (was: string, is: string, ...records: string[]): Digest => ({
  was,
  is,
  values: joinRecords(records),
});
const period = (number: number) => ({ number, boot: `b${number}` });

/** A coordinator whose storage is here; `evict` takes it out of memory. */
class Coordinator {
  periods: AwakePeriods = NEVER_AWAKE;
  digest: KeptDigest | undefined;
  told = 0;
  now = 1_000;
  coordination = this.#new();

  evict(): void {
    this.coordination = this.#new();
  }

  #new(): Coordination {
    const sprite: SpriteRecord = {
      name: "s",
      home: HOME,
      id: "m",
      region: "r",
      state: "running",
      image: "i",
    } as never;
    const fleet = {
      wake: async () => sprite,
      ensure: async () => sprite,
      address: () => ({ url: "http://x", headers: {} }),
    } satisfies Pick<Fleet, "wake" | "ensure" | "address">;
    return new Coordination({
      fleet: () => ({ fleet, regions: ["r"] }) as never,
      load: async () => ({ sprite, periods: this.periods }),
      save: async ({ periods }) => {
        this.periods = periods;
      },
      publish: () => undefined,
      loadDigest: async () => this.digest,
      saveDigest: async (kept) => {
        this.digest = kept;
      },
      tellWatchers: () => this.told++,
      keep: () => undefined,
      clock: { ...systemClock, now: () => this.now },
      log: () => ({ debug() {}, info() {}, warn() {}, error() {} }),
    });
  }
}

async function asleepWith(...records: string[]): Promise<Coordinator> {
  const host = new Coordinator();
  await host.coordination.met(period(1));
  await host.coordination.fellAsleep("b1", digest("m0", "m1", ...records));
  return host;
}

test("A sleeping Sprite's digest answers for exactly the states in it, also after the coordinator was evicted", async () => {
  const host = await asleepWith(record(3), record(1, 2));
  host.evict();
  const { coordination } = host;
  expect(await coordination.unchanged([record(3)])).toBe("b1");
  expect(await coordination.unchanged([record(3), record(1, 2)])).toBe("b1");
  for (const other of [record(2), record(4), record(3, 3)]) {
    expect(await coordination.unchanged([other])).toBeNull();
    expect(await coordination.unchanged([record(3), other])).toBeNull();
  }
});

test("A digest is not believed for ever: after a week the Sprite itself is asked, which shows whether its disk is still there", async () => {
  const host = await asleepWith(record(3));
  host.now += LIMITS.digestTrustMs - 1;
  expect(await host.coordination.unchanged([record(3)])).toBe("b1");
  host.now += 1;
  expect(await host.coordination.unchanged([record(3)])).toBeNull();
});

test("Without a digest, as after a crash, nothing is answered", async () => {
  const host = new Coordinator();
  await host.coordination.met(period(1));
  await host.coordination.watch("b1", () => undefined);
  expect(host.periods.awake).toBe(false);
  expect(await host.coordination.unchanged([record(3)])).toBeNull();
});

test("It speaks for the Sprite no longer once the Sprite was called, or met in a later period, whoever did that", async () => {
  const called = await asleepWith(record(3));
  await called.coordination.locate(HOME, false);
  expect(await called.coordination.unchanged([record(3)])).toBeNull();

  const met = await asleepWith(record(3));
  await met.coordination.met(period(2));
  expect(await met.coordination.unchanged([record(3)])).toBeNull();
  // That period crashed: whoever watches its end must not be answered from before it.
  await met.coordination.watch("b2", () => undefined);
  expect(await met.coordination.unchanged([record(3)])).toBeNull();
});

test("A digest that comes late, after a later period was met, or twice, changes nothing", async () => {
  const host = await asleepWith(record(3));
  await host.coordination.fellAsleep("b1", digest("m1", "m9", record(9)));
  expect(await host.coordination.unchanged([record(9)])).toBeNull();
  expect(await host.coordination.unchanged([record(3)])).toBe("b1");
  await host.coordination.met(period(2));
  await host.coordination.fellAsleep("b1", digest("m1", "m2", record(4)));
  expect(host.periods.awake).toBe(true);
  expect(await host.coordination.unchanged([record(4)])).toBeNull();
});

test("What a period did not touch still holds after it, unless the store was changed in between", async () => {
  const chained = await asleepWith(record(3));
  await chained.coordination.met(period(2));
  await chained.coordination.fellAsleep("b2", digest("m1", "m2", record(1, 2)));
  expect(await chained.coordination.unchanged([record(3), record(1, 2)])).toBe("b2");

  const restored = await asleepWith(record(3));
  await restored.coordination.met(period(2));
  await restored.coordination.fellAsleep("b2", digest("m0", "m2", record(1, 2)));
  expect(await restored.coordination.unchanged([record(3)])).toBeNull();
  expect(await restored.coordination.unchanged([record(1, 2)])).toBe("b2");
});

test("A Sprite on a disk that was rolled back must not be used before it counts on from where it was", async () => {
  const host = await asleepWith(record(3));
  await host.coordination.met(period(7));
  await host.coordination.fellAsleep("b7", digest("m1", "m7"));
  // The disk of the first period, with its count: period 2 again, under another boot.
  expect(await host.coordination.met({ number: 2, boot: "rolled back" })).toEqual({ overtaken: true });
  const place = await host.coordination.locate(HOME, true);
  expect(place).toMatchObject({ ok: true, value: { after: 7 } });
  expect(await host.coordination.met({ number: 8, boot: "rolled back" })).toEqual({ overtaken: false });
  expect(host.periods).toEqual({ latest: { number: 8, boot: "rolled back" }, awake: true });
});
