import { describe, expect, test } from "vitest";
import { Budget } from "../../edge/budget.ts";
import { ClientFlow } from "../../edge/client-flow.ts";
import { Flow } from "../../edge/flow.ts";
import { IsolateBudget } from "../../edge/isolate-budget.ts";
import { LIMITS } from "../../shared/limits.ts";

function newFlow(markBytes = 100) {
  const marks: string[] = [];
  const budget = new Budget(1_000_000);
  const clock = { now: 0 };
  const flow = new Flow({
    send: (mark) => marks.push(mark),
    markBytes,
    budget,
    now: () => clock.now,
    random: Math.random,
  });
  return { flow, marks, budget, clock, batch: (n: number) => JSON.parse(marks.at(n) ?? "{}").id as string };
}

describe("what the other side has not worked off", () => {
  test("is all that was sent, until it answers a mark: an empty reconciliation", () => {
    const { flow, marks, budget, batch } = newFlow();
    flow.sent("x".repeat(99));
    expect(marks).toEqual([]);
    flow.sent("x".repeat(50));
    expect(JSON.parse(marks[0] ?? "")).toEqual({ action: "reconcile", id: batch(0), values: [] });
    expect(flow.unread).toBe(149 + (marks[0] ?? "").length);
    expect(budget.used).toBe(flow.unread);
    flow.sent("x".repeat(60));
    expect(flow.answered(batch(0))).toBe(true);
    // Charged is only what a mark has followed: nobody would ever ask whether the rest has been read.
    expect([flow.unread, budget.used]).toEqual([60, 0]);
  });

  test("is told by one answer for all marks before it, and by none that nobody asked for", () => {
    const { flow, batch } = newFlow();
    for (let n = 0; n < 3; n++) flow.sent("x".repeat(100));
    const before = flow.unread;
    expect(flow.answered("sprite-sync-mark:guessed")).toBe(true);
    expect(flow.answered("somebody's batch")).toBe(false);
    expect(flow.unread).toBe(before);
    flow.answered(batch(2));
    expect(flow.unread).toBe(0);
    flow.answered(batch(1));
    expect(flow.unread).toBe(0);
  });

  test("stalls from the last progress on, and not while nothing is asked", () => {
    const { flow, clock, batch } = newFlow();
    clock.now = 1_000;
    expect(flow.stalledMs).toBe(0);
    flow.sent("x".repeat(100));
    flow.sent("x".repeat(100));
    clock.now = 1_500;
    expect(flow.stalledMs).toBe(500);
    flow.answered(batch(0));
    clock.now = 1_600;
    expect(flow.stalledMs).toBe(100);
    flow.answered(batch(1));
    expect(flow.stalledMs).toBe(0);
  });

  test("is nothing once the socket is gone", () => {
    const { flow, budget } = newFlow();
    flow.sent("x".repeat(500));
    flow.close();
    expect([flow.unread, budget.used, flow.stalledMs]).toEqual([0, 0, 0]);
  });
});

describe("a client that reads slowly", () => {
  const bounds = { clientUnreadBytes: 1_000, clientUnreadMaxBytes: 5_000, markBytes: 100 };

  function newClient(isolate = new IsolateBudget(1_000_000, 1_000)) {
    const sent: string[] = [];
    const changes: boolean[] = [];
    const clock = { time: 0, now: () => clock.time, random: Math.random };
    const flow: ClientFlow = new ClientFlow({
      send: (frame) => sent.push(frame),
      onChange: () => changes.push(flow.isClogged),
      bounds,
      around: new Budget(1_000_000, isolate.open(0)),
      clock,
    });
    const answer = (n: number) =>
      flow.answered(JSON.parse(sent.filter((frame) => frame.startsWith("{")).at(n) ?? "{}").id);
    return { flow, changes, clock, answer };
  }

  test("is clogged past the bound, until it has worked off half", () => {
    const { flow, changes, answer } = newClient();
    while (!flow.isClogged) flow.send("x".repeat(100));
    expect(flow.unread).toBeGreaterThan(bounds.clientUnreadBytes);
    expect(flow.unread).toBeLessThan(bounds.clientUnreadBytes + 300);
    answer(0);
    expect(changes).toEqual([true]);
    answer(-1);
    expect(changes).toEqual([true, false]);
  });

  test("is given up when it makes no progress, or answers alone grow past all bounds", () => {
    const { flow, clock } = newClient();
    while (!flow.isClogged) flow.send("x".repeat(100));
    clock.time = LIMITS.stalledMs - 1;
    expect(flow.isHopeless).toBe(false);
    clock.time = LIMITS.stalledMs;
    expect(flow.isHopeless).toBe(true);
    const other = newClient().flow;
    while (other.unread <= bounds.clientUnreadMaxBytes) other.send("x".repeat(100));
    expect(other.isHopeless).toBe(true);
  });

  test("is held earlier when the isolate has no room left, and others who keep up are not", () => {
    const isolate = new IsolateBudget(1_500, 1_000);
    const [slow, quick] = [newClient(isolate), newClient(isolate)];
    while (!slow.flow.isClogged) slow.flow.send("x".repeat(100));
    quick.flow.send("x".repeat(100));
    expect(quick.flow.isClogged).toBe(false);
    const second = newClient(isolate);
    while (!second.flow.isClogged) second.flow.send("x".repeat(100));
    expect(second.flow.unread).toBeLessThan(bounds.clientUnreadBytes / 2);
  });
});
