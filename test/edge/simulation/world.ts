import type { Bounds } from "../../../edge/session.ts";
import { SpriteSyncError } from "../../../shared/errors.ts";
import type { CoValueId, GroupId } from "../../../shared/ids.ts";
import { LIMITS } from "../../../shared/limits.ts";
import { brief } from "./brief.ts";
import { Chance } from "./chance.ts";
import { Client } from "./client.ts";
import { CoordinatorHost, type FleetTrouble, Kv, ShardHost } from "./control-plane.ts";
import { Isolate } from "./isolate.ts";
import type { End } from "./network.ts";
import { type Claim, covers } from "./node-model.ts";
import { Scheduler } from "./scheduler.ts";
import { SpriteHost } from "./sprite-host.ts";
import { POOL, type PoolValue, poolValue } from "./values.ts";
import type { Variant } from "./variants.ts";

/** Something that must not be was seen. */
export class Violation extends Error {}

/** Everything there is in one run: browsers, isolates, coordinators, directory, KV, fleet, Sprites, and what went wrong. */
export class World {
  readonly chance: Chance;
  readonly scheduler: Scheduler;
  readonly variant: Variant;
  readonly counts: Map<string, number>;
  readonly violations: string[] = [];
  readonly kv = new Kv(this);
  readonly shards = new ShardHost();
  readonly groups: readonly PoolValue[];
  readonly maps: readonly PoolValue[];
  readonly accounts: readonly PoolValue[];
  readonly isolates: Isolate[];
  readonly clients: Client[] = [];
  readonly created = new Set<CoValueId>();
  readonly proxyStarts: boolean;
  readonly sleepAfterMs: number;
  readonly bounds: Bounds;
  readonly isolateBytes: number;
  /** How many messages may wait on a Sprite for what they depend on. */
  readonly spriteRoom: number;
  callFailures: number;
  shardsDown = false;
  /**
   * Messages on sockets to Durable Objects are as fast as others. If they took longer than a Sprite is awake for ever,
   * sessions would wake it in turns for ever, each told of a period that is over.
   */
  quick = false;
  fleetTrouble: FleetTrouble | undefined;
  readonly #hosts = new Map<GroupId, SpriteHost>();
  readonly #coordinators = new Map<GroupId, CoordinatorHost>();
  readonly #causes = new Map<GroupId, string>();
  readonly #delays: readonly [number, number];
  readonly #slowDelays: readonly [number, number];
  readonly #controlDelays: readonly [number, number];
  readonly #pad: number;
  /** Which clients have an old cojson; not drawn, so that the same seeds go on making the same worlds. */
  readonly #isOld: (n: number) => boolean;

  constructor(seed: number, variant: Variant, counts: Map<string, number>) {
    const chance = new Chance(seed);
    this.chance = chance;
    this.#isOld = (n) => (n + seed) % 3 === 0;
    this.scheduler = new Scheduler(chance);
    this.variant = variant;
    this.counts = counts;
    this.groups = POOL.groups.slice(0, 1 + chance.below(3));
    this.maps = POOL.maps.filter(({ group }) => this.groups.some(({ id }) => id === group));
    this.accounts = POOL.accounts.slice(0, chance.below(3));
    this.proxyStarts = chance.chance(0.5);
    this.sleepAfterMs = chance.pick([2_000, 4_000, 8_000]);
    this.#delays = chance.pick([
      [1, 5],
      [1, 60],
      [20, 400],
    ] as const);
    this.#slowDelays = chance.pick([
      [1, 5],
      [1, 300],
      [5, this.sleepAfterMs / 4],
    ] as const);
    this.#controlDelays = chance.pick([
      [1, 5],
      [1, 300],
      [5, 6_000],
    ] as const);
    this.callFailures = chance.pick([0, 0, 0.05]);
    this.#pad = chance.pick([0, 40, 200]);
    this.spriteRoom = chance.pick([1, 3, 1_000]);
    const small = chance.chance(0.5);
    this.isolateBytes = small ? chance.between(20_000, 80_000) : LIMITS.isolateBytes;
    this.bounds = small ? smallBounds(chance) : LIMITS;
    this.isolates = Array.from({ length: 1 + chance.below(3) }, () => new Isolate(this));
  }

  /** The first clients come. */
  begin(): void {
    for (let n = 2 + this.chance.below(3); n > 0; n--) this.join();
  }

  readonly delay = (): number => this.chance.between(...this.#delays);
  /** Messages on sockets to Durable Objects may take longer than a Sprite is awake. */
  readonly controlDelay = (): number =>
    this.quick ? this.slowDelay() : this.chance.between(...this.#controlDelays);
  /** One way of a call. Two are shorter than a Sprite's patience, or nobody could ever attach. */
  readonly slowDelay = (): number => this.chance.between(...this.#slowDelays);

  tracer: ((line: string) => void) | undefined;

  trace(line: () => string): void {
    this.tracer?.(`${String(Math.round(this.scheduler.time - 1_000_000)).padStart(7)} ${line()}`);
  }

  /** Pings alone are not worth a line. */
  traceFrame(what: string, frame: unknown): void {
    const text = this.tracer && brief(String(frame));
    if (text) this.trace(() => `${what} ${text}`);
  }

  count(what: string): void {
    this.counts.set(what, (this.counts.get(what) ?? 0) + 1);
  }

  fail(what: string): void {
    this.violations.push(`at ${Math.round(this.scheduler.time - 1_000_000)} ms: ${what}`);
  }

  host(home: GroupId): SpriteHost {
    const host = this.#hosts.get(home) ?? new SpriteHost(home, this);
    this.#hosts.set(home, host);
    return host;
  }

  get hosts(): SpriteHost[] {
    return [...this.#hosts.values()];
  }

  coordinator(home: GroupId): CoordinatorHost {
    const coordinator = this.#coordinators.get(home) ?? new CoordinatorHost(home, this);
    this.#coordinators.set(home, coordinator);
    return coordinator;
  }

  get coordinators(): CoordinatorHost[] {
    return [...this.#coordinators.values()];
  }

  join(): Client {
    const account = this.accounts.length > 0 ? this.chance.pick([undefined, ...this.accounts]) : undefined;
    const client = new Client(
      this.clients.length,
      account,
      this,
      this.#pad,
      this.#isOld(this.clients.length),
    );
    if (account) this.created.add(account.id);
    this.clients.push(client);
    client.connect();
    return client;
  }

  accept(client: Client, end: End): void {
    this.chance.pick(this.isolates).accept(end, client.name);
  }

  restartIsolate(n: number): void {
    const index = n % this.isolates.length;
    this.isolates[index]?.kill();
    this.isolates[index] = new Isolate(this);
  }

  #pauseMs = 0;

  /** Adds to the time until the next operation. */
  pause(ms: number): void {
    this.#pauseMs += ms;
  }

  takePause(): number {
    const ms = this.#pauseMs;
    this.#pauseMs = 0;
    return ms;
  }

  followers(): Client[] {
    return this.clients.filter(({ alive }) => alive);
  }

  /** From now on nothing goes wrong. */
  makePeace(): void {
    this.quick = true;
    this.callFailures = 0;
    this.fleetTrouble = undefined;
    for (const host of this.#hosts.values()) {
      host.refusesUntil = 0;
      host.nextBootMs = 0;
      host.diskMs = 5;
      host.storesToCrash = 0;
      host.process?.resume();
    }
  }

  /** One call to the fleet, with the trouble that it has now. */
  async fleetCall(): Promise<void> {
    await new Promise<void>((resolve) => this.scheduler.later(this.slowDelay(), resolve));
    const trouble = this.fleetTrouble;
    if (!trouble || trouble.until <= this.scheduler.time) return;
    this.count("fleet trouble");
    if (trouble.code === "hang") {
      await new Promise<void>((resolve) =>
        this.scheduler.later(trouble.until - this.scheduler.time, resolve),
      );
    } else throw new SpriteSyncError(trouble.code, "the fleet said no", { retryAfterMs: 2_000 });
  }

  trailOfWake(home: GroupId, cause: string): void {
    this.#causes.set(home, cause);
  }

  causeOf(home: GroupId): string {
    return this.#causes.get(home) ?? "none";
  }

  booted(host: SpriteHost, cause: string): void {
    this.trace(() => `${host.home.slice(4, 9)} boots: ${cause}`);
    this.count("boot");
    this.count(`boot: ${cause}`);
    if (cause === "none") this.fail(`the Sprite of ${host.home} woke for no reason`);
  }

  /**
   * What reaches a client as "the server has it" must be on the disk of the value's home, or have been; and what has been
   * there when the client asked must not be called unknown.
   */
  checkClaim(client: Client, claim: Claim): void {
    if (claim.action === "load" || claim.isCorrection) return;
    const host = this.host(poolValue(claim.id).home);
    if (!claim.header) {
      const since = host.firstDurable.get(claim.id) ?? Number.POSITIVE_INFINITY;
      if (host.diskLost === 0 && since < (client.askedAt.get(claim.id) ?? 0))
        this.fail(`${client.name} was told that ${claim.id} does not exist`);
    } else if (!covers(host.everDurable.get(claim.id), claim))
      this.fail(`${client.name} was told that more of ${claim.id} is stored than is`);
  }
}

/** So little that everything overflows; but two marks fit into what may be unread, or nobody would ever ask. What clients may leave unread has no end: no socket of theirs may be closed. */
function smallBounds(chance: Chance): Bounds {
  return {
    sessionBytes: chance.between(3_000, 20_000),
    upstreamQueueBytes: chance.between(300, 1_500),
    unacknowledgedBytes: chance.between(300, 4_000),
    sessionPendingBytes: chance.between(900, 3_000),
    clientUnreadBytes: chance.between(1_500, 6_000),
    clientUnreadMaxBytes: Number.POSITIVE_INFINITY,
    spriteUnreadBytes: chance.between(1_200, 4_000),
    markBytes: chance.between(300, 600),
    // What is refused is not repaired: the client has to ask for less.
    rememberedBytes: LIMITS.rememberedBytes,
    rememberedMaxBytes: LIMITS.rememberedMaxBytes,
  };
}
