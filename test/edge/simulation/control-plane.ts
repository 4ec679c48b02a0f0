import { type AwakePeriods, NEVER_AWAKE } from "../../../edge/awake-periods.ts";
import { Coordination, type KeptDigest, type Stored } from "../../../edge/coordination.ts";
import type { ShardApi } from "../../../edge/directory.ts";
import type { Fleet, SpriteRecord } from "../../../edge/fleet/fleet.ts";
import { type DigestRecord, hasRecord } from "../../../shared/digest.ts";
import { type ErrorCode, SpriteSyncError } from "../../../shared/errors.ts";
import { asHome, type CoValueId, type GroupId } from "../../../shared/ids.ts";
import { spriteNameOf } from "../../../shared/sprite-name.ts";
import type { End } from "./network.ts";
import { silent } from "./silent.ts";
import type { World } from "./world.ts";

/** One coordinator as workerd hosts it: the real decisions; storage, sockets and KV of the world. */
export class CoordinatorHost {
  readonly home: GroupId;
  readonly #world: World;
  #stored: { sprite: SpriteRecord | undefined; periods: AwakePeriods } = {
    sprite: undefined,
    periods: NEVER_AWAKE,
  };
  #digest: KeptDigest | undefined;
  /** Sockets that watch, hibernated: they outlive the object's memory. */
  readonly watchers = new Set<End>();
  coordination: Coordination;
  /** Grows when the object is reset: whoever waits for it gets an error. */
  epoch = 0;
  readonly #calls = new Set<(error: Error) => void>();

  constructor(home: GroupId, world: World) {
    this.home = home;
    this.#world = world;
    this.coordination = this.#newCoordination();
  }

  get periods(): AwakePeriods {
    return this.#stored.periods;
  }

  /** Out of memory, as after ten quiet seconds; only while nothing is under way. */
  evict(): boolean {
    if (this.#calls.size > 0) return false;
    this.coordination = this.#newCoordination();
    return true;
  }

  /** Moved or redeployed: calls fail, sockets break. */
  reset(): void {
    this.epoch++;
    for (const fail of this.#calls) fail(new Error("the object was reset"));
    this.#calls.clear();
    this.coordination = this.#newCoordination();
    for (const { link } of this.watchers) link.break(2_000);
    this.watchers.clear();
  }

  async unchanged(records: readonly DigestRecord[]): Promise<string | null> {
    const boot = await this.#unchanged(records);
    if (boot !== null && !this.#world.host(this.home).hasExactly(records))
      this.#world.fail(`the coordinator of ${this.home} tells what is not on the disk`);
    return boot;
  }

  async #unchanged(records: readonly DigestRecord[]): Promise<string | null> {
    const kept = this.#digest;
    const { periods } = this.#stored;
    if (!this.#world.variant.trustsOldDigests || !kept || periods.awake)
      return this.coordination.unchanged(records);
    return records.every((record) => hasRecord(kept.values, record)) ? (periods.latest?.boot ?? null) : null;
  }

  /** A session's call: fails when the object is reset meanwhile. */
  async call<T>(work: (host: this) => Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>();
    this.#calls.add(reject);
    try {
      return await Promise.race([work(this), promise]);
    } finally {
      this.#calls.delete(reject);
    }
  }

  async watch(boot: string, server: End): Promise<void> {
    server.onClose = () => this.watchers.delete(server);
    const waits = await this.coordination.watch(boot, () => this.watchers.add(server));
    if (waits) this.#world.count("watch");
    else {
      this.#world.count("late watcher told at once");
      this.#tell(server);
    }
  }

  #tell(server: End): void {
    this.watchers.delete(server);
    server.send('{"type":"awake"}');
    server.close(1000);
  }

  #newCoordination(): Coordination {
    const { epoch } = this;
    const alive = () => this.epoch === epoch && this.coordination === coordination;
    // What a dead object waits for never comes.
    const living = <T>(value: T): Promise<T> =>
      alive() ? Promise.resolve(value) : new Promise(() => undefined);
    const { variant, scheduler } = this.#world;
    const coordination: Coordination = new Coordination({
      fleet: () => ({ fleet: this.#fleet(living), regions: ["sim"] }),
      load: () => living({ ...this.#stored }),
      save: async (stored: Stored) => {
        await living(undefined);
        this.#stored = { sprite: stored.sprite, periods: stored.periods };
      },
      publish: (home, { after: _, ...place }) => this.#world.kv.put(home, place),
      loadDigest: () => living(this.#digest),
      saveDigest: async (digest) => {
        await living(undefined);
        this.#world.count("digest kept");
        this.#digest = digest;
      },
      tellWatchers: () => {
        for (const server of [...this.watchers]) {
          this.#world.count("watcher told");
          this.#tell(server);
        }
      },
      keep: () => undefined,
      log: () => silent,
      clock: scheduler.clock(alive),
      ...(variant.rules && { rules: variant.rules }),
    });
    return coordination;
  }

  #fleet(living: <T>(value: T) => Promise<T>): Pick<Fleet, "wake" | "ensure" | "address"> {
    const host = this.#world.host(this.home);
    const record = (): SpriteRecord => ({
      name: spriteNameOf(this.home),
      home: this.home,
      id: host.machine,
      region: "sim",
      state: host.state === "stopped" ? "asleep" : "running",
      image: "sim",
    });
    return {
      wake: async ({ id }) => {
        await this.#world.fleetCall();
        await living(undefined);
        if (host.state === "absent" || host.machine !== id)
          throw new SpriteSyncError("gone", "no such machine");
        host.start(this.#world.causeOf(this.home));
        return record();
      },
      ensure: async () => {
        await this.#world.fleetCall();
        await living(undefined);
        host.create();
        return record();
      },
      address: ({ id }) => ({ url: "sim", headers: { machine: id } }),
    };
  }
}

/** The directory's shards in one, with the sockets of those who wait for ids. */
export class ShardHost implements ShardApi {
  readonly homes = new Map<CoValueId, GroupId>();
  readonly #wants = new Map<string, Set<End>>();
  readonly #sockets = new Set<End>();

  async lookup(ids: string[]): Promise<Record<string, string>> {
    return Object.fromEntries([...this.homes].filter(([id]) => ids.includes(id)));
  }

  async register(homes: Record<string, string>): Promise<Record<string, string>> {
    for (const [id, home] of Object.entries(homes) as [CoValueId, CoValueId][]) {
      if (this.homes.has(id)) continue;
      this.homes.set(id, asHome(home));
      for (const server of this.#wants.get(id) ?? []) server.send(JSON.stringify({ placed: id, home }));
      this.#wants.delete(id);
    }
    return this.lookup(Object.keys(homes));
  }

  /** It left memory, hibernating, and with it what sessions wait for; the sockets stay. */
  hibernate(): void {
    this.#wants.clear();
    for (const server of this.#sockets) server.send(JSON.stringify({ forgot: true }));
  }

  want(server: End): void {
    this.#sockets.add(server);
    server.onFrame = (data) => {
      const { want }: { want: CoValueId[] } = JSON.parse(data);
      for (const id of want) {
        const home = this.homes.get(id);
        if (home) server.send(JSON.stringify({ placed: id, home }));
        else this.#wants.set(id, (this.#wants.get(id) ?? new Set()).add(server));
      }
    };
    server.onClose = () => {
      this.#sockets.delete(server);
      for (const servers of this.#wants.values()) servers.delete(server);
    };
  }
}

/** KV: each place sees a write up to a minute late. */
export class Kv {
  readonly #world: World;
  readonly #writes = new Map<string, { at: number; value: unknown }[]>();

  constructor(world: World) {
    this.#world = world;
  }

  put(key: string, value: unknown): void {
    const writes = this.#writes.get(key) ?? [];
    this.#writes.set(key, writes);
    writes.push({ at: this.#world.scheduler.time, value });
  }

  get(key: string): unknown {
    const seen = this.#world.scheduler.time - this.#world.chance.between(0, 60_000);
    return this.#writes.get(key)?.findLast(({ at }) => at <= seen)?.value ?? null;
  }
}

/** How the fleet fails, until when. */
export interface FleetTrouble {
  readonly code: ErrorCode | "hang";
  readonly until: number;
}
