import type { Chance } from "./chance.ts";
import type { Client } from "./client.ts";
import type { SpriteHost } from "./sprite-host.ts";
import { poolValue } from "./values.ts";
import type { World } from "./world.ts";

/** What may happen, and how often beside the others, before a run takes a liking to some of it. */
const WEIGHTS = {
  write: 20,
  create: 9,
  load: 10,
  burst: 4,
  writeAtSleep: 8,
  unload: 4,
  reconcile: 2,
  drop: 4,
  away: 3,
  slowLine: 2,
  slowReader: 2,
  hangingClient: 3,
  sessionDies: 1,
  leave: 1,
  join: 1,
  breakUpstream: 4,
  crash: 3,
  stop: 2,
  crashAfterWrite: 2,
  crashInBurst: 2,
  loseDisk: 1,
  loseDiskAndLines: 0.7,
  vanish: 0.5,
  snapshot: 1,
  slowWake: 2,
  refuse: 2,
  pause: 2,
  slowDisk: 2,
  isolateRestart: 2,
  coordinatorReset: 2,
  coordinatorEvict: 3,
  breakWatch: 2,
  fleetTrouble: 2,
  shardsDown: 1,
  quiet: 10,
} as const;

export type Kind = keyof typeof WEIGHTS;

export interface Operation {
  readonly kind: Kind;
  /** Picks whom it concerns. */
  readonly a: number;
  readonly b: number;
  /** Time until the next one (ms). */
  readonly gap: number;
}

export const KINDS = Object.keys(WEIGHTS) as Kind[];
/** How much more or less often than usual something happens in one run, so that runs differ (swarm testing). */
const LIKINGS = [0, 0.3, 1, 1, 1, 5];

export function randomOperations(chance: Chance, length: number): Operation[] {
  const weights = KINDS.map((kind) => WEIGHTS[kind] * chance.pick(LIKINGS));
  const total = weights.reduce((sum, weight) => sum + weight, 0);
  const kindAt = (point: number) => {
    let left = point;
    return (
      KINDS.find((_, index) => {
        left -= weights[index] ?? 0;
        return left < 0;
      }) ?? "quiet"
    );
  };
  return Array.from({ length }, () => {
    const kind = kindAt(chance.next() * total);
    const gap = Math.round(chance.chance(0.7) ? chance.between(0, 150) : chance.between(0, 3_000));
    return { kind, a: chance.below(1_000), b: chance.below(1_000), gap };
  });
}

/** Operations as people pass them on: `write 3 14 90; crash 0 0 12`. */
export function operationsText(operations: readonly Operation[]): string {
  return operations.map(({ kind, a, b, gap }) => `${kind} ${a} ${b} ${gap}`).join("; ");
}

/** @throws Error when it is not such a text. */
export function parseOperations(text: string): Operation[] {
  return text
    .split(";")
    .filter((part) => part.trim() !== "")
    .map((part) => {
      const [kind = "", ...rest] = part.trim().split(/\s+/);
      const [a = Number.NaN, b = Number.NaN, gap = Number.NaN] = rest.map(Number);
      if (!(kind in WEIGHTS) || [a, b, gap].some(Number.isNaN))
        throw new Error(
          `"${part.trim()}" is no operation: say its kind, two numbers and the gap behind it in ms`,
        );
      return { kind: kind as Kind, a, b, gap };
    });
}

/** Performs an operation. @returns whether it did something. */
export function perform(world: World, { kind, a, b }: Operation): boolean {
  const done = HOW[kind](world, a, b);
  if (done) world.count(`op: ${kind}`);
  return done;
}

const at = <T>(items: readonly T[], n: number): T | undefined => items[n % Math.max(1, items.length)];
const living = (world: World) => world.clients.filter(({ alive }) => alive);
const client = (world: World, n: number) => at(living(world), n);
const existing = (world: World) => world.hosts.filter(({ state }) => state !== "absent");
const awake = (world: World) => world.hosts.filter(({ process }) => process);

function withHost(world: World, n: number, how: (host: SpriteHost) => boolean | undefined): boolean {
  const host = at(existing(world), n);
  return (host && how(host)) ?? false;
}

function writeSome(who: Client | undefined, n: number): boolean {
  const mine = [...(who?.node.memory.keys() ?? [])].filter((id) => who?.mayWrite(id));
  const id = at(mine, n);
  return (id && who?.write(id, 1 + (n % 3))) ?? false;
}

function everybodyWrites(world: World, a: number, b: number): boolean {
  const done = living(world).map((who, n) => writeSome(who, a + n) || writeSome(who, b + n));
  return done.includes(true);
}

const HOW: Record<Kind, (world: World, a: number, b: number) => boolean> = {
  write: (world, a, b) => writeSome(client(world, a), b),
  create: (world, a, b) => {
    const who = client(world, a);
    const todo = [...world.groups, ...world.maps].filter(({ id }) => !world.created.has(id));
    const value = at(todo, b);
    if (!who || !value) return false;
    if (value.group && !world.created.has(value.group)) {
      if (!who.create(value.group)) return false;
      world.created.add(value.group);
    }
    if (!who.create(value.id)) return false;
    world.created.add(value.id);
    return true;
  },
  // Also ids that nobody has created yet.
  load: (world, a, b) => {
    const value = at([...world.maps, ...world.groups], b);
    return (value && client(world, a)?.load(value.id)) ?? false;
  },
  burst: (world, a, b) => everybodyWrites(world, a, b),
  writeAtSleep: (world, a, b) => {
    const host = at(awake(world), a);
    const ms = host?.process?.msToSleep;
    if (!host || ms === undefined) return false;
    const before = world.chance.pick([50, 120, 800]);
    world.scheduler.later(ms + world.chance.between(-before, before), () => {
      const who = client(world, b);
      const ids = [...(who?.node.memory.keys() ?? [])].filter(
        (id) => who?.mayWrite(id) && poolValue(id).home === host.home,
      );
      const id = at(ids, b);
      if (id && who?.write(id, 1)) world.count("write around a sleep");
    });
    return true;
  },
  unload: (world, a, b) => {
    const who = client(world, a);
    const id = at([...(who?.node.memory.keys() ?? [])], b);
    return (id && who?.unload(id)) ?? false;
  },
  reconcile: (world, a) => client(world, a)?.reconcileAll() ?? false,
  away: (world, a) => client(world, a)?.drop(world.chance.between(3_000, 40_000)) ?? false,
  slowLine: (world, a) => client(world, a)?.slow(world.chance.between(100, 3_000)) ?? false,
  hangingClient: (world, a) => client(world, a)?.hang(world.chance.between(500, 30_000)) ?? false,
  // Its CPU time is spent: workerd ends it without a word, and the isolate lives on.
  sessionDies: (world, a, b) => {
    const session = at([...(at(world.isolates, a)?.sessions ?? [])], b);
    session?.kill();
    return session !== undefined;
  },
  // A Sprite cannot get rid of what it has to say.
  slowReader: (world, a, b) => {
    const upstream = at([...(at(awake(world), a)?.process?.upstreams ?? [])], b);
    upstream?.outgoing.block(world.chance.between(100, 6_000));
    return upstream !== undefined;
  },
  drop: (world, a) => client(world, a)?.drop() ?? false,
  leave: (world, a) => {
    if (living(world).length < 3) return false;
    client(world, a)?.leave();
    return true;
  },
  join: (world) => {
    if (living(world).length > 4) return false;
    world.join();
    return true;
  },
  breakUpstream: (world, a, b) => {
    const upstream = at([...(at(awake(world), a)?.process?.upstreams ?? [])], b);
    upstream?.end.link.break(b % 4 === 0 ? 16_000 : 300);
    return upstream !== undefined;
  },
  stop: (world, a) => withHost(world, a, (host) => host.stop()),
  crash: (world, a) => withHost(world, a, (host) => host.crash()),
  crashAfterWrite: (world, a, b) => {
    if (!writeSome(client(world, a), b)) return false;
    const host = at(awake(world), a);
    if (host) world.scheduler.later(world.chance.between(0, 150), () => host.crash());
    return host !== undefined;
  },
  // Of what they write to one value some is stored and not sent, some is neither; and one of them goes on writing.
  crashInBurst: (world, a, b) => {
    const host = at(awake(world), a);
    const id = at([...(host?.process?.node.memory.keys() ?? [])], b);
    const writers = living(world).filter((who) => id && who.mayWrite(id) && who.write(id, 1));
    if (!host || writers.length < 2) return false;
    host.diskMs = 300;
    host.storesToCrash = 1 + (b % 4);
    world.scheduler.later(world.chance.between(200, 2_500), () => id && at(writers, a)?.write(id, 1));
    return true;
  },
  loseDisk: (world, a) => withHost(world, a, (host) => host.loseDisk()),
  // What browsers remember of it over a reconnection is wrong then.
  loseDiskAndLines: (world, a) => {
    if (!withHost(world, a, (host) => host.loseDisk())) return false;
    for (const who of living(world)) who.drop();
    return true;
  },
  vanish: (world, a) => withHost(world, a, (host) => host.vanish()),
  snapshot: (world, a) => withHost(world, a, (host) => host.snapshot()),
  slowWake: (world, a) =>
    withHost(world, a, (host) => {
      host.nextBootMs = world.chance.between(5_000, 40_000);
      return true;
    }),
  refuse: (world, a) =>
    withHost(world, a, (host) => {
      host.refusesUntil = world.scheduler.time + world.chance.between(500, 10_000);
      return true;
    }),
  pause: (world, a) => withHost(world, a, (host) => host.pause(world.chance.between(2_000, 40_000))),
  slowDisk: (world, a, b) =>
    withHost(world, a, (host) => {
      host.diskMs = at([5, 300, 3_000], b) ?? 5;
      return true;
    }),
  isolateRestart: (world, a) => {
    world.restartIsolate(a);
    return true;
  },
  coordinatorReset: (world, a) => {
    const coordinator = at(world.coordinators, a);
    coordinator?.reset();
    return coordinator !== undefined;
  },
  coordinatorEvict: (world, a) => at(world.coordinators, a)?.evict() ?? false,
  breakWatch: (world, a, b) => {
    const watcher = at([...(at(world.coordinators, a)?.watchers ?? [])], b);
    watcher?.link.break(3_000);
    return watcher !== undefined;
  },
  fleetTrouble: (world, a) => {
    const code = at(["transient", "rate", "quota", "capacity", "hang"] as const, a) ?? "hang";
    world.fleetTrouble = { code, until: world.scheduler.time + world.chance.between(1_000, 20_000) };
    return true;
  },
  shardsDown: (world) => {
    world.shardsDown = true;
    world.scheduler.later(world.chance.between(500, 8_000), () => {
      world.shardsDown = false;
    });
    return true;
  },
  quiet: (world, a) => {
    if (a % 3 === 0) world.shards.hibernate();
    world.pause(world.sleepAfterMs + (a % 10) * 300);
    return true;
  },
};
