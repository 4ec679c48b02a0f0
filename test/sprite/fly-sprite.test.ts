import { expect, onTestFinished, test, vi } from "vitest";
import { startGuestServer } from "../../dev/fleet/sprites/guest-server.ts";
import { createTasks } from "../../dev/fleet/sprites/tasks.ts";
import { PASS_HEADER, signPass } from "../../shared/pass.ts";
import { openGuestApi } from "../../sprite/guest-api.ts";
import { evaluateHold, HOLD_MAX_MS, Hold, type HoldState, REFRESH_MS } from "../../sprite/hold.ts";
import type { Idleness } from "../../sprite/server.ts";
import { TimeGaps } from "../../sprite/time-gaps.ts";
import { until } from "../support/until.ts";
import { listen, newAccount, newGroup, PASS_KEYS, SILENT, startSprite, type TestSprite } from "./support.ts";

/** What a Sprite does for the sake of its host, where that is a Fly Sprite (facts/fly-sprites §4). */

async function ask(sprite: TestSprite, method: string, pass?: string) {
  const reply = await fetch(sprite.url.replace("ws:", "http:").replace("/sync", "/sleep"), {
    method,
    headers: pass ? { [PASS_HEADER]: pass } : {},
  });
  return { status: reply.status, body: (await reply.json()) as Idleness };
}

test("It is held awake while a store is pending, told again each minute, and let go after that", () => {
  let state: HoldState = { kind: "free" };
  const at = (now: number, pending: number) => {
    const next = evaluateHold(state, now, pending);
    state = next.state;
    return next.action;
  };
  expect([at(0, 0), at(1_000, 2), at(2_000, 1)]).toEqual([undefined, "hold", undefined]);
  expect([at(1_000 + REFRESH_MS, 1), at(1_001 + REFRESH_MS, 1)]).toEqual(["hold", undefined]);
  expect([at(2_000 + REFRESH_MS, 0), at(3_000 + REFRESH_MS, 0)]).toEqual(["release", undefined]);
});

test("A store that never reports holds it for minutes, not for ever", () => {
  const { state, action } = evaluateHold({ kind: "held", since: 0, asked: HOLD_MAX_MS - 1 }, HOLD_MAX_MS, 1);
  expect([state.kind, action]).toEqual(["spent", "release"]);
  expect(evaluateHold(state, HOLD_MAX_MS + REFRESH_MS, 1).action).toBeUndefined();
  expect(evaluateHold(state, HOLD_MAX_MS + REFRESH_MS, 0).state.kind).toBe("free");
});

test("The runtime's task begins and ends with what is pending, over its Unix socket", async () => {
  let working = 0;
  const tasks = createTasks(() => {
    working++;
    return () => void working--;
  });
  const runtime = await startGuestServer(tasks);
  const api = openGuestApi(runtime.path);
  if (!api) throw new Error("there is a socket, and no API");
  const hold = new Hold(api, SILENT);
  hold.check(1);
  await until(() => tasks.names().length === 1, { what: "the task" });
  expect([tasks.names(), working]).toEqual([["flush"], 1]);
  hold.check(0);
  await until(() => working === 0, { what: "the end of the task" });
  hold.check(1);
  await hold.close();
  expect(tasks.names()).toEqual([]);
  await runtime.close();
  expect(openGuestApi(runtime.path)).toBeUndefined();
});

test("A runtime that does not answer harms nothing", async () => {
  const runtime = await startGuestServer(createTasks(() => () => {}));
  const api = openGuestApi(runtime.path);
  await runtime.close();
  await expect(api?.hold("flush", 1)).rejects.toMatchObject({ code: "transient" });
});

test("Only a gap that long is a pause, on either clock", () => {
  const gaps = new TimeGaps(15_000);
  expect(gaps.next(0, 0)).toBeUndefined();
  expect(gaps.next(14_999, 14_999)).toBeUndefined();
  expect(gaps.next(15_000, 1_000_000)).toBe(985_001);
  expect(gaps.next(40_000, 1_000_001)).toBe(25_000);
  expect(gaps.next(40_001, 1_000_002)).toBeUndefined();
});

test("After a pause it closes what was open: those sockets are dead, and look alive", async () => {
  const group = newGroup(newAccount());
  const sprite = await startSprite(group.id);
  const edge = await listen(sprite);
  await until(() => edge.of("ping").length >= 2, { what: "a regular ping" });
  vi.useFakeTimers({ toFake: ["Date"], now: Date.now() + 20_000 });
  onTestFinished(() => void vi.useRealTimers());
  expect((await edge.closed)[0]).toBe(1006);
  // Whoever comes after it stays.
  const next = await listen(sprite);
  await until(() => next.of("ping").length >= 2, { what: "the pings of a new socket" });
});

test("Who has a pass may ask how long it has been idle, and that is no activity", async () => {
  const group = newGroup(newAccount());
  const sprite = await startSprite(group.id);
  const pass = await signPass({ home: sprite.home, session: "fleet" }, PASS_KEYS);
  expect((await ask(sprite, "GET")).status).toBe(401);
  expect((await ask(sprite, "POST", "nonsense")).status).toBe(401);
  await until(async () => (await ask(sprite, "GET", pass)).body.idleMs > 50, { what: "some idle time" });
  expect(await ask(sprite, "GET", pass)).toMatchObject({ status: 200, body: { pending: 0, asleep: false } });
});

test("Asked to sleep it does so only when it has been idle for a while, and tells its upstreams", async () => {
  const group = newGroup(newAccount());
  const sprite = await startSprite(group.id);
  const edge = await listen(sprite);
  const pass = await signPass({ home: sprite.home, session: "fleet" }, PASS_KEYS);
  expect((await ask(sprite, "POST", pass)).body.asleep).toBe(false);
  await until(async () => (await ask(sprite, "POST", pass)).body.asleep, { what: "its sleep" });
  await sprite.asleep;
  expect((await edge.closed)[0]).toBe(4900);
});

test("In a Fly Sprite a process that nobody has visited does not end: it would be started again at once", async () => {
  const group = newGroup(newAccount());
  const guest = { hold: async () => {}, release: async () => {} };
  const sprite = await startSprite(group.id, { guest, sleepAfterMs: 20 });
  const pass = await signPass({ home: sprite.home, session: "fleet" }, PASS_KEYS);
  await until(async () => (await ask(sprite, "GET", pass)).body.idleMs > 500, { what: "more than its time" });
  expect((await ask(sprite, "GET", pass)).body.asleep).toBe(true);
  // The first visitor finds it, and after that it sleeps like any other.
  const edge = await listen(sprite);
  expect((await edge.closed)[0]).toBe(4900);
  await sprite.asleep;
});
