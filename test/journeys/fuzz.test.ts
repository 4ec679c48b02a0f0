import fc from "fast-check";
import { expect, onTestFinished, test } from "vitest";
import { LIMITS } from "../../shared/limits.ts";
import { startClient } from "../support/client.ts";
import { contentOf } from "../support/real-values.ts";
import { startTestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";
import { openWire, type Wire } from "../support/wire.ts";

const RUNS = Number(process.env.FUZZ_RUNS ?? 150);
/** In a frame, at most. */
const MESSAGES = 5;

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const junk = fc.oneof(
  fc.jsonValue() as fc.Arbitrary<Json>,
  fc.constantFrom<Json>(null, -1, 1e300, "", "co_z", "__proto__", [], {}, [[]], "x".repeat(5_000)),
);

/** One member somewhere inside, chosen by `path`, is replaced, removed or doubled. */
function mutated(
  value: Json,
  path: readonly number[],
  change: "replace" | "remove" | "double",
  by: Json,
): Json {
  const [step = 0, ...rest] = path;
  if (typeof value !== "object" || value === null || path.length === 0)
    return change === "replace" ? by : value;
  const entries = Object.entries(value);
  const [key, member] = entries[step % Math.max(1, entries.length)] ?? [];
  if (key === undefined) return by;
  const here = rest.length === 0;
  if (Array.isArray(value)) {
    const copy = [...value];
    if (here && change === "remove") copy.splice(Number(key), 1);
    else if (here && change === "double") copy.push(member as Json);
    else copy[Number(key)] = here ? by : mutated(member as Json, rest, change, by);
    return copy;
  }
  const copy = { ...value };
  if (here && change === "remove") delete copy[key];
  // Not a name that could be another coSession's: cojson's signatures do not cover the coSession's id, so a copy under
  // another id is accepted everywhere and spoils the value for its readers (docs/protocol.md, "What cojson leaves open").
  else if (here && change === "double") copy[`${key} 2`] = member as Json;
  else copy[key] = here ? by : mutated(member as Json, rest, change, by);
  return copy;
}

test(`no mutation of real messages harms the edge, a Sprite, or what is stored (${RUNS} frames)`, async () => {
  const stack = await startTestStack();
  onTestFinished(() => stack.close());
  const owner = await startClient(stack.syncUrl);
  const group = owner.node.createGroup();
  group.addMember("everyone", "writer");
  const map = group.createMap({ n: 0 });
  map.set("text", 'with "quotes"');
  await owner.synced();
  const ids = [group.id, map.id, owner.accountID];
  const seeds = [
    ...contentOf(group),
    ...contentOf(map),
    ...ids.map((id) => JSON.stringify({ action: "load", id, header: false, sessions: {} })),
    ...[group, map].map(({ core }) => JSON.stringify({ action: "known", ...core.knownState() })),
    JSON.stringify({ action: "known", isCorrection: true, id: map.id, header: false, sessions: {} }),
    JSON.stringify({ action: "reconcile", id: "batch", values: ids.map((id) => [id, "hash"]) }),
    JSON.stringify({ action: "done", id: map.id }),
  ].map((text) => JSON.parse(text) as Json);
  const frames = fc.array(
    fc
      .tuple(
        fc.constantFrom(...seeds),
        fc.array(fc.nat(20), { maxLength: 7 }),
        fc.constantFrom("replace" as const, "remove" as const, "double" as const),
        junk,
      )
      .map(([seed, path, change, by]) => mutated(seed, path, change, by)),
    { minLength: 1, maxLength: MESSAGES },
  );

  const sample = fc.sample(frames, { numRuns: RUNS, seed: Number(process.env.FUZZ_SEED ?? 20261123) });
  // A socket ends after a handful of messages that cannot be read: each sends few enough of them.
  const perSocket = Math.floor(LIMITS.badMessages / MESSAGES);
  const sockets: Wire[] = [];
  for (let from = 0; from < sample.length; from += perSocket) {
    const attacker = await openWire(stack.syncUrl);
    for (const messages of sample.slice(from, from + perSocket)) attacker.send(...messages);
    await attacker.drained();
    expect(attacker.closed()).toBeUndefined();
    sockets.push(attacker);
  }
  // The run was not vacuous: some were refused, and some got through to the Sprites and were answered.
  const kinds = () =>
    new Set(sockets.flatMap(({ received }) => received.map(({ action, type }) => action ?? type)));
  await until(() => ["error", "known", "content", "load"].every((kind) => kinds().has(kind)), {
    what: "some of each answer",
  });

  map.set("n", 1);
  await owner.synced();
  const fresh = await startClient(stack.syncUrl);
  expect((await fresh.load(map.id)).toJSON()).toEqual({ n: 1, text: 'with "quotes"' });
  expect(stack.lines.filter((line) => line.startsWith("machine") && line.includes("stopped"))).toEqual([]);
  expect(stack.machineOf(group.id).state).toBe("started");
  expect(owner.closures()).toBe(0);
  await Promise.all([...sockets.map((socket) => socket.close()), owner.close(), fresh.close()]);
});
