import {
  cloneKnownState,
  emptyKnownState,
  isBehind,
  type KnownState,
  mergeKnownState,
} from "../../../shared/known-state.ts";
import { LIMITS } from "../../../shared/limits.ts";
import { Chance } from "./chance.ts";
import { covers } from "./node-model.ts";
import { type Operation, perform, randomOperations } from "./operations.ts";
import type { SpriteHost } from "./sprite-host.ts";
import { isAccount } from "./trail.ts";
import { poolValue } from "./values.ts";
import { AS_IT_IS, gauge, type Variant } from "./variants.ts";
import { World } from "./world.ts";

export interface Outcome {
  readonly seed: number;
  readonly operations: readonly Operation[];
  /** What must not be and was; the first one says most. */
  readonly violations: readonly string[];
  readonly events: number;
}

export interface RunOptions {
  readonly variant?: Variant;
  readonly operations?: readonly Operation[];
  readonly counts?: Map<string, number>;
  /** Gets a line for everything that happens. */
  readonly trace?: (line: string) => void;
}

/** Virtual time within which everything has to come to rest once nothing goes wrong any more (ms). */
const BUSY_MS = 100_000;
const DUSK_MS = 60_000;
const SETTLE_MS = 150_000;
const PROBE_MS = 60_000;
const QUIET_MS = 60_000;

/** Plays one world: the operations of the seed, or those that are given, then peace, then the checks. */
export async function run(seed: number, options: RunOptions = {}): Promise<Outcome> {
  const { variant = AS_IT_IS, counts = new Map() } = options;
  const operations = options.operations ?? operationsOf(seed);
  Object.assign(gauge, { replays: 0, repairs: 0, twice: 0, overflows: 0, held: 0 });
  const world = new World(seed, variant, counts);
  world.tracer = options.trace;
  world.begin();
  const outcome = () => ({ seed, operations, violations: world.violations, events: world.scheduler.events });
  for (const operation of operations) {
    world.trace(() => `--- ${operation.kind} ${operation.a} ${operation.b}`);
    perform(world, operation);
    await world.scheduler.pass(operation.gap + world.takePause());
    if (world.violations.length > 0) return outcome();
  }
  world.trace(() => "--- peace");
  world.makePeace();
  if (world.chance.chance(0.3)) await keepAwake(world);
  else if (world.chance.chance(0.7)) await dusk(world);
  if (world.violations.length > 0) return outcome();
  await world.scheduler.pass(SETTLE_MS);
  if (world.violations.length === 0) checkRest(world);
  if (world.violations.length > 0) return outcome();
  world.trace(() => "--- probe");
  // Somebody new loads everything: that wakes every Sprite, for a reason.
  const observer = world.join();
  for (const id of world.created) observer.load(id);
  await world.scheduler.pass(PROBE_MS);
  checkEnd(world);
  checkBudgets(world);
  const boots = counts.get("boot");
  await world.scheduler.pass(QUIET_MS);
  if (counts.get("boot") !== boots) world.fail("a Sprite woke although nobody did anything");
  for (const [what, count] of Object.entries(gauge)) counts.set(what, (counts.get(what) ?? 0) + count);
  if (gauge.twice > 0) world.fail("a value was corrected twice in one attach");
  return outcome();
}

export function operationsOf(seed: number): Operation[] {
  const chance = new Chance(seed ^ 0x5eed);
  return randomOperations(chance, 10 + chance.below(60));
}

/**
 * Somebody always writes, so that no Sprite falls asleep: what was lost has to be repaired all the same, and not only
 * when a sleep shows that something is owed.
 */
async function keepAwake(world: World): Promise<void> {
  world.count("kept awake");
  world.trace(() => "--- kept awake");
  const trouble = world.chance.pick(["quiet", "crashInBurst", "loseDiskAndLines", "burst"] as const);
  for (let n = 0; n < world.hosts.length; n++)
    perform(world, { kind: trouble, a: world.chance.below(1_000), b: world.chance.below(1_000), gap: 0 });
  const write = async (lastingMs: number) => {
    for (let ms = 0; ms < lastingMs; ms += world.sleepAfterMs / 2) {
      for (const host of world.hosts) writeTo(world, host);
      await world.scheduler.pass(world.sleepAfterMs / 2);
    }
  };
  await write(BUSY_MS);
  // What is there now has some seconds to arrive everywhere.
  const before = new Map(world.followers().map((client) => [client, copy(client.node.memory)]));
  const stored = new Map(
    world.hosts.map((host) => [host, copy(host.process?.node.memory ?? host.disk.values)]),
  );
  await write(8_000);
  for (const [client, had] of before) {
    for (const [id, state] of had) {
      const host = world.host(poolValue(id).home);
      const has = host.process?.node.memory.get(id) ?? host.disk.values.get(id);
      const news = stored.get(host)?.get(id) ?? emptyKnownState();
      if (!client.follows(id) || !host.isAwake) continue;
      if (!covers(has, state))
        world.fail(`what ${client.name} has of ${show(id)} is not sent while the Sprite is awake`);
      else if (!covers(client.node.memory.get(id), news))
        world.fail(`${client.name} gets no news of ${show(id)} while the Sprite is awake`);
    }
  }
}

/** Everybody is attached, nothing goes wrong, and somebody writes just when a Sprite falls asleep. */
async function dusk(world: World): Promise<void> {
  world.count("dusk");
  world.trace(() => "--- dusk");
  await world.scheduler.pass(DUSK_MS);
  world.quick = false;
  for (const host of world.hosts) writeTo(world, host);
  await world.scheduler.pass(world.sleepAfterMs * 0.8);
  for (let a = 0; a < world.hosts.length; a++)
    perform(world, { kind: "writeAtSleep", a, b: world.chance.below(1_000), gap: 0 });
  await world.scheduler.pass(world.sleepAfterMs);
  world.quick = true;
}

function copy<Key>(states: ReadonlyMap<Key, KnownState>): Map<Key, KnownState> {
  return new Map([...states].map(([key, state]) => [key, cloneKnownState(state)]));
}

function writeTo(world: World, host: SpriteHost): void {
  for (const client of world.followers()) {
    for (const id of client.node.memory.keys()) {
      if (poolValue(id).home === host.home && client.mayWrite(id)) {
        client.write(id, 1);
        return;
      }
    }
  }
}

/** Before anything new happens: whoever watches has what the sleeping Sprite has. */
function checkRest(world: World): void {
  for (const host of world.hosts) {
    if (host.isAwake) world.fail(`the Sprite of ${host.home} does not fall asleep`);
    if (host.process?.pendingStores) world.fail(`the Sprite of ${host.home} still stores`);
  }
  for (const client of world.followers()) {
    for (const id of client.node.memory.keys()) {
      if (!client.follows(id)) continue;
      const host = world.host(poolValue(id).home);
      const stored = host.disk.values.get(id) ?? emptyKnownState();
      const has = client.node.memory.get(id);
      if (!covers(has, stored)) world.fail(`${client.name} sleeps through news of ${show(id)}`);
      if (host.diskLost === 0 && has && isBehind(stored, has))
        world.fail(`what ${client.name} has of ${show(id)} is not stored`);
    }
    for (const id of client.wanted) {
      if (world.host(poolValue(id).home).disk.values.get(id)?.header)
        world.fail(`${client.name} never got ${show(id)}`);
    }
    if (client.openBatches.size > 0) world.fail(`a reconciliation of ${client.name} was not acknowledged`);
  }
}

/** After the probe: all who follow a value, and its home, have the same. */
function checkEnd(world: World): void {
  for (const id of world.created) {
    const followers = world.followers().filter((client) => client.follows(id));
    const union = emptyKnownState();
    for (const client of followers) mergeKnownState(union, client.node.memory.get(id) ?? emptyKnownState());
    const host = world.host(poolValue(id).home);
    // It was lost in its sleep, and nobody has had a reason to wake it: whoever does will have it repaired.
    if (host.isDiskUnseen) continue;
    const stored = host.disk.values.get(id) ?? emptyKnownState();
    if (host.diskLost === 0) checkAcked(world, id, stored);
    if (isBehind(stored, union))
      world.fail(`the disk lacks something of ${show(id)}: ${text(stored)} < ${text(union)}`);
    for (const client of followers) {
      const has = client.node.memory.get(id) ?? emptyKnownState();
      if (isBehind(has, stored) || isBehind(has, union))
        world.fail(
          `${client.name} lacks something of ${show(id)}: ${text(has)} < ${text(union)}, disk ${text(stored)}`,
        );
    }
  }
}

/** What waits is given back: nothing may be left but the last mark of each socket, which may be unanswered. */
function checkBudgets(world: World): void {
  for (const { memory, sessions } of world.isolates) {
    const budget = memory.waiting;
    const most = sessions.size * (1 + world.hosts.length) * (world.bounds.markBytes + 2_000);
    if (budget.used < 0 || (world.bounds !== LIMITS && budget.used > most))
      world.fail(`${Math.round(budget.used)} bytes of an isolate are in use and nothing goes on`);
  }
}

function checkAcked(world: World, id: Parameters<typeof poolValue>[0], stored: KnownState): void {
  for (const client of world.clients) {
    const acked = client.acked.get(id);
    if (acked && isBehind(stored, acked)) world.fail(`acknowledged transactions of ${show(id)} are gone`);
  }
}

function show(id: Parameters<typeof poolValue>[0]): string {
  return `${isAccount(id) ? "account" : poolValue(id).kind} ${id.slice(4, 9)}`;
}

function text({ header, sessions }: KnownState): string {
  const counts = Object.entries(sessions).map(([coSession, count]) => `${coSession.at(-1)}${count}`);
  return `${header ? "" : "no header "}[${counts.toSorted().join(" ")}]`;
}
