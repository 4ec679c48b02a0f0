import { beforeAll, describe, expect, it } from "vitest";
import { createRateLimits } from "../../dev/fleet/rate-limits.ts";
import { NEVER_AWAKE } from "../../edge/awake-periods.ts";
import { Coordination, type Stored } from "../../edge/coordination.ts";
import { createMachinesFleet } from "../../edge/fleet/machines.ts";
import { createPacer, memoryStore, type Pacer } from "../../edge/fleet/pacer.ts";
import type { GroupId } from "../../shared/ids.ts";
import { LIMITS } from "../../shared/limits.ts";
import { Chance } from "../edge/simulation/chance.ts";
import { Scheduler, turn } from "../edge/simulation/scheduler.ts";
import { newHome, quiet } from "./local-fly.ts";

const GROUPS = 10_000;

/** Fly's API as far as creations use it, on a virtual clock; it keeps to its rate limits, strictly. */
class VirtualFly {
  readonly machines = new Map<string, { id: string; name: string; state: string; region: string }>();
  readonly #volumes = new Map<string, { id: string; name: string; region: string }>();
  readonly refused: string[] = [];
  /** When each home's Machine was made, in that order. */
  readonly created: { name: string; at: number }[] = [];
  readonly #scheduler: Scheduler;
  readonly #chance: Chance;
  readonly #limits: ReturnType<typeof createRateLimits>;

  constructor(scheduler: Scheduler, chance: Chance) {
    this.#scheduler = scheduler;
    this.#chance = chance;
    this.#limits = createRateLimits(() => scheduler.time);
  }

  readonly fetch = async (address: string, init: RequestInit): Promise<Response> => {
    await this.pause(this.#chance.between(20, 400));
    const { status, body } = this.#answer(new URL(address), init);
    await this.pause(this.#chance.between(20, 200));
    return { status, headers: new Headers(), text: async () => JSON.stringify(body) } as Response;
  };

  readonly pause = (ms: number): Promise<void> =>
    new Promise((resolve) => void this.#scheduler.later(ms, resolve));

  #answer({ pathname, searchParams }: URL, { method, body }: RequestInit): { status: number; body: unknown } {
    const [, , , , kind = "", id = "", action = ""] = pathname.split("/");
    const operation = `${method} ${kind} ${id ? `one ${action}` : "all"}`;
    if (!this.#limits.allows(operation === "GET machines one " ? "Machines_show" : operation, id)) {
      this.refused.push(operation);
      return { status: 429, body: { error: "rate limit exceeded" } };
    }
    const request = JSON.parse(String(body ?? "{}"));
    switch (operation) {
      case "GET machines all": {
        const home = searchParams.get("metadata.sprite_home") ?? "";
        const machine = this.machines.get(home);
        return { status: 200, body: machine ? [machine] : [] };
      }
      case "GET volumes all":
        // Nobody has a volume yet that has no Machine: the others' are of no interest.
        return { status: 200, body: [] };
      case "POST volumes all": {
        const volume = { id: `vol_${this.#volumes.size}`, name: request.name, region: request.region };
        this.#volumes.set(volume.id, volume);
        return { status: 200, body: volume };
      }
      case "POST machines all": {
        const home = request.config.metadata.sprite_home;
        if (this.machines.has(home)) return { status: 409, body: { error: "unique machine name violation" } };
        const machine = { id: `m${this.machines.size}`, name: request.name, state: "started", region: "fra" };
        this.machines.set(home, machine);
        this.created.push({ name: home, at: this.#scheduler.time });
        return { status: 200, body: { ...machine, config: { mounts: request.config.mounts } } };
      }
      default: {
        const machine = [...this.machines.values()].find((candidate) => candidate.id === id);
        return machine ? { status: 200, body: machine } : { status: 404, body: { error: "not found" } };
      }
    }
  }
}

describe(`${GROUPS} groups that are written to for the first time at once`, { timeout: 120_000 }, () => {
  const chance = new Chance(20_261_125);
  const scheduler = new Scheduler(chance);
  const fly = new VirtualFly(scheduler, chance);
  const homes: GroupId[] = Array.from({ length: GROUPS }, newHome);
  const served = new Map<GroupId, number>();
  let questions = 0;
  let began = 0;

  beforeAll(async () => {
    const store = memoryStore();
    let pacer = createPacer(() => scheduler.time, store);
    const queue: Pacer = {
      next: async (request) => {
        questions++;
        await fly.pause(chance.between(1, 30));
        // As a Durable Object that may be evicted whenever nobody talks to it.
        if (chance.chance(0.3)) pacer = createPacer(() => scheduler.time, store);
        return pacer.next(request);
      },
    };
    const fleet = createMachinesFleet({
      apiUrl: "https://fly",
      appUrl: "https://app",
      appName: "app",
      token: "t",
      image: "i",
      guest: { cpu_kind: "shared", cpus: 1, memory_mb: 256 },
      volumeSizeGb: 1,
      upgradePercent: 0,
      regions: ["fra"],
      spriteEnv: () => ({}),
      pacer: queue,
      fetch: fly.fetch,
      pause: fly.pause,
      log: quiet,
    });
    const coordinatorOf = () => {
      let stored: Stored = { sprite: undefined, periods: NEVER_AWAKE };
      return new Coordination({
        fleet: () => ({ fleet, regions: ["fra"] }),
        load: async () => stored,
        save: async (next) => {
          stored = next;
        },
        publish: () => undefined,
        loadDigest: async () => undefined,
        saveDigest: async () => undefined,
        tellWatchers: () => undefined,
        keep: () => undefined,
        log: () => quiet,
        clock: scheduler.clock(() => true),
      });
    };
    /** A session's upstream: it asks again after the pause that it is told, or after a growing one. */
    const session = (home: GroupId) => {
      const coordinator = coordinatorOf();
      const attempt = async (n: number): Promise<void> => {
        const reply = await coordinator.locate(home, n > 0);
        if (reply.ok) return void served.set(home, scheduler.time);
        const backoff = Math.min(LIMITS.attachRetryMs * 2 ** n, LIMITS.attachRetryMaxMs);
        scheduler.later(Math.max(reply.retryAfterMs ?? 0, backoff), () => void attempt(n + 1));
      };
      void attempt(0);
    };
    began = scheduler.time;
    // All in one second, in the order of `homes`.
    for (const [i, home] of homes.entries()) scheduler.later((i * 1_000) / GROUPS, () => session(home));
    // Until all are served, or well past the time that it may take.
    for (let s = 0; s < GROUPS + 100 && served.size < GROUPS; s += 10) await scheduler.pass(10_000);
    await turn();
  }, 120_000);

  it("are all created, each once: nobody's request is lost", () => {
    expect(served.size).toBe(GROUPS);
    expect(fly.machines.size).toBe(GROUPS);
  });

  it("are created within Fly's limits: not one call was refused", () => {
    expect(fly.refused).toEqual([]);
  });

  it("are created in the time that the limit's arithmetic says: one a second", () => {
    const last = Math.max(...served.values()) - began;
    // With a burst of 2 the last one's turn comes after n - 2 seconds; its own calls take some seconds.
    expect(last).toBeGreaterThanOrEqual((GROUPS - 2) * 1_000);
    expect(last).toBeLessThan((GROUPS - 2) * 1_000 + 15_000);
  });

  it("are created in the order in which they came", () => {
    const rank = new Map(fly.created.map(({ name }, i) => [name, i]));
    const overtaken = homes.map((home, i) => Math.abs((rank.get(home) ?? Number.NaN) - i));
    // The way to the queue takes up to 30 ms, in which 300 groups come; from there on the order stays.
    expect(Math.max(...overtaken)).toBeLessThan(350);
  });

  it("ask the queue a few times each, however long they wait", () => {
    expect(questions / GROUPS).toBeLessThan(7);
  });
});
