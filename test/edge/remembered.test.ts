import { describe, expect, test } from "vitest";
import { asHome, type CoValueId } from "../../shared/ids.ts";
import type { CoSessions } from "../../shared/known-state.ts";
import { LIMITS } from "../../shared/limits.ts";
import { manyIds, someWriter } from "../support/many-values.ts";
import { newRemembered } from "../support/remembered.ts";
import { until } from "../support/until.ts";
import { RouterHarness } from "./router-harness.ts";

const [HOME = "" as CoValueId, ...IDS] = manyIds(10_041);

/** Known states of so many coSessions, of writers that nobody has heard of. */
const inventedSessions = (count: number): CoSessions =>
  Object.fromEntries(Array.from({ length: count }, () => [someWriter(), 1]));

/** A session whose directory knows `count` values of one home, and that may remember little. */
function harness(count: number, limits = { rememberedBytes: 100_000, rememberedMaxBytes: 150_000 }) {
  const edge = new RouterHarness(undefined, undefined, undefined, undefined, limits);
  for (const id of [HOME, ...IDS.slice(0, count)]) edge.shards.homes.set(id, HOME);
  edge.open.add(asHome(HOME));
  return edge;
}

const load = (id: CoValueId, sessions: CoSessions = {}) => ({
  action: "load",
  id,
  header: Object.keys(sessions).length > 0,
  sessions,
});

const refusals = ({ toClient }: RouterHarness) =>
  toClient.filter((message) => message.action === "control" && message.text.includes("overloaded"));

describe("what a session remembers", () => {
  test("counts each coSession id once, however many values name it", () => {
    const remembered = newRemembered();
    const team = inventedSessions(20);
    remembered.charge(0, team);
    const once = remembered.used;
    expect(once).toBeGreaterThan(20 * 80);
    remembered.charge(0, team);
    expect(remembered.used).toBe(once);
    remembered.charge(0, inventedSessions(20));
    expect(remembered.used).toBeCloseTo(2 * once, -3);
  });

  test("has room for 10,000 values of a team in 30 groups, four times over", async () => {
    const edge = harness(10_000, LIMITS);
    const team = Object.keys(inventedSessions(20));
    const frame = IDS.slice(0, 10_000).map((id, n) =>
      load(id, { [team[n % 20] ?? ""]: 1, [team[(n * 7 + 1) % 20] ?? ""]: 2 }),
    );
    await edge.client(...frame);
    expect(edge.router.followed).toBe(10_000);
    expect(4 * edge.remembered.used).toBeLessThan(LIMITS.rememberedBytes);
  });

  test("is given back when ids get their homes and upstreams are gone", async () => {
    const edge = harness(0);
    const ids = IDS.slice(0, 20);
    await edge.client(...ids.map((id) => load(id)));
    const asked = edge.remembered.used;
    for (const id of ids) edge.router.placed(id, asHome(HOME));
    expect(edge.remembered.used).toBeLessThan(asked);
    const followed = edge.remembered.used;
    const replica = IDS[21] ?? HOME;
    await edge.fromSprite(replica, { ...load(ids[0] ?? HOME) });
    expect(edge.remembered.used).toBeGreaterThan(followed);
    edge.lose(replica);
    expect(edge.remembered.used).toBe(followed);
  });

  test("refuses loads past its bound, naming the id and the limit; what is followed already goes on", async () => {
    const edge = harness(1_000);
    await edge.client(load(HOME));
    await edge.client(...IDS.slice(0, 200).map((id) => load(id)));
    await until(() => edge.router.followed === 201, { what: "the first of them being followed" });
    await edge.client(...IDS.slice(200, 1_000).map((id) => load(id)));
    const errors = () => refusals(edge);
    await until(() => edge.router.followed + errors().length === 1_001, { what: "an answer for each" });
    expect(errors().length).toBeGreaterThan(500);
    const last = IDS[999] ?? "";
    expect(errors().at(-1)?.text).toContain(`"id":"${last}"`);
    expect(errors().at(-1)?.text).toContain("100000 bytes");
    expect(edge.remembered.used).toBeLessThanOrEqual(100_000);
    edge.sprite(HOME).length = 0;
    const refused = errors().length;
    await edge.client(load(HOME), ...IDS.slice(900, 1_000).map((id) => load(id)));
    await until(() => errors().length > refused, { what: "another refusal" });
    expect(edge.sprite(HOME).map((message) => "id" in message && message.id)).toContain(HOME);
  });

  test("says which ids that nobody has created it will not be told of", async () => {
    const edge = harness(0);
    const ids = IDS.slice(0, 310);
    for (let from = 0; from < 310; from += 62) {
      await edge.client(...ids.slice(from, from + 62).map((id) => load(id)));
      await until(
        () =>
          edge.toClient.filter(({ action }) => action === "known").length + refusals(edge).length >=
          from + 62,
        { what: "an answer for each" },
      );
    }
    for (const id of edge.wanted)
      expect(edge.toClient).toContainEqual(expect.objectContaining({ action: "known", id }));
    expect(edge.wanted.length).toBeGreaterThan(200);
    expect(edge.wanted.length + refusals(edge).length).toBe(310);
    expect(edge.remembered.used).toBeLessThanOrEqual(100_000);
  });

  test("does not keep megabytes of invented coSessions, of ids without a home or with one", async () => {
    const edge = harness(20);
    for (const id of IDS.slice(0, 40)) await edge.client(load(id, inventedSessions(2_000)));
    expect(edge.remembered.used).toBeLessThanOrEqual(100_000);
    expect(edge.router.followed).toBe(0);
  });

  test("refuses reconciliations past its bound, and gives back what one held that is complete", async () => {
    const edge = harness(0);
    const before = edge.remembered.used;
    const reconcile = (batch: string, from: number) => ({
      action: "reconcile",
      id: batch,
      values: IDS.slice(from, from + 100).map((id) => [id, "x".repeat(50)]),
    });
    for (let n = 0; n < 10; n++) await edge.client(reconcile(`batch ${n}`, 100 * n));
    const refused = refusals(edge);
    expect(refused.length).toBeGreaterThan(3);
    expect(refused.at(-1)?.text).toContain("batch 9");
    for (const id of IDS.slice(0, 1_000)) {
      await edge.client({ action: "known", id, header: false, sessions: {} });
    }
    await until(() => edge.remembered.used === before, { what: "the end of all batches" });
  });

  test("refuses messages whose id waits for a directory that is down, and gives the rest back when it answers", async () => {
    const edge = harness(0);
    edge.shards.down = true;
    await edge.client(...IDS.slice(0, 1_000).map((id) => load(id)));
    const refused = refusals(edge);
    expect(refused.length).toBeGreaterThan(500);
    expect(edge.remembered.used).toBeLessThanOrEqual(100_000);
    for (const id of IDS.slice(0, 1_000)) edge.shards.homes.set(id, HOME);
    edge.shards.down = false;
    await edge.retry();
    expect(edge.router.followed + refused.length).toBe(1_000);
  });

  test("is far over when Sprites make it remember what the client could not have", async () => {
    const edge = harness(1);
    const [id = HOME] = IDS;
    await edge.client(load(id));
    expect(edge.remembered.isFarOver).toBe(false);
    const added = Object.keys(inventedSessions(2_000)).map((coSession) => [
      coSession,
      {
        after: 0,
        newTransactions: [{ privacy: "trusting", madeAt: 0, changes: "[]" }],
        lastSignature: "signature_z1",
      },
    ]);
    await edge.fromSprite(HOME, { action: "content", id, priority: 3, new: Object.fromEntries(added) });
    expect(edge.remembered.isFarOver).toBe(true);
  });
});
