import { describe, expect, test } from "vitest";
import { Budget } from "../../edge/budget.ts";
import { ClientFlow } from "../../edge/client-flow.ts";
import { Flow } from "../../edge/flow.ts";
import { IsolateBudget, SHARE_WAITING } from "../../edge/isolate-budget.ts";
import { isMarkId, markKindOf, newMark } from "../../edge/marks.ts";
import { isCoValueId } from "../../shared/ids.ts";
import { LIMITS } from "../../shared/limits.ts";
import { type KnownMessage, type LoadMessage, parseMessage } from "../../shared/messages.ts";

function newFlow(markBytes = 100, findsOut = false) {
  const marks: string[] = [];
  const budget = new Budget(1_000_000);
  const clock = { now: 0 };
  const flow = new Flow({
    send: (mark) => marks.push(mark),
    markBytes,
    budget,
    now: () => clock.now,
    random: Math.random,
    findsOut,
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

describe("which marks a client answers", () => {
  const actions = (marks: string[]) => marks.map((mark) => JSON.parse(mark).action as string);

  test("is asked at the first mark, in both ways and once", () => {
    const { flow, marks, batch } = newFlow(100, true);
    for (let n = 0; n < 5; n++) flow.sent("x".repeat(100));
    expect(actions(marks)).toEqual(["reconcile", "content"]);
    const id = batch(1);
    expect(JSON.parse(marks[1] ?? "")).toEqual({ action: "content", id, priority: 0, new: {} });
    expect(isCoValueId(id) && isMarkId(id)).toBe(true);
  });

  test("is told by a reconcile-ack: the client is asked by reconciliations from then on", () => {
    const { flow, marks, budget, batch } = newFlow(100, true);
    for (let n = 0; n < 5; n++) flow.sent("x".repeat(100));
    const known = batch(1);
    flow.answered(batch(0));
    // What was sent while the answer was on its way has been charged, so it is asked for at once.
    expect(actions(marks)).toEqual(["reconcile", "content", "reconcile"]);
    expect(flow.answered(known)).toBe(true);
    for (let n = 0; n < 2; n++) flow.sent("x".repeat(100));
    expect(actions(marks).slice(3)).toEqual(["reconcile", "reconcile"]);
    flow.answered(batch(-1));
    expect([flow.unread, budget.used]).toEqual([0, 0]);
  });

  test("is told by a correction while the reconciliation before it is unanswered: that one is never sent again", () => {
    const { flow, marks, budget, batch } = newFlow(100, true);
    for (let n = 0; n < 5; n++) flow.sent("x".repeat(100));
    flow.answered(batch(1));
    expect(actions(marks)).toEqual(["reconcile", "content", "content"]);
    for (let n = 0; n < 5; n++) flow.sent("x".repeat(100));
    expect(actions(marks)).toHaveLength(3);
    flow.answered(batch(2));
    flow.answered(batch(3));
    expect([flow.unread, budget.used, flow.stalledMs]).toEqual([0, 0, 0]);
    expect(actions(marks).slice(1)).toEqual(["content", "content", "content"]);
  });

  test("cannot be pretended: after one wrong answer none counts", () => {
    const { flow, batch, clock } = newFlow(100, true);
    flow.sent("x".repeat(100));
    flow.answered(batch(1));
    flow.sent("x".repeat(100));
    const before = flow.unread;
    const asked = batch(-1);
    const guess = `${asked.slice(0, -1)}${asked.endsWith("2") ? "3" : "2"}`;
    expect(flow.answered(guess)).toBe(true);
    flow.answered(asked);
    expect(flow.unread).toBe(before);
    clock.now = 500;
    expect(flow.stalledMs).toBe(500);
  });
});

describe("a client that reads slowly", () => {
  const bounds = { clientUnreadBytes: 1_000, clientUnreadMaxBytes: 5_000, markBytes: 100 };

  function newClient(isolate = new IsolateBudget(1_000_000, 1_000, SHARE_WAITING)) {
    const sent: string[] = [];
    const changes: boolean[] = [];
    const clock = { time: 0, now: () => clock.time, random: Math.random };
    const flow: ClientFlow = new ClientFlow({
      send: (frame) => sent.push(frame),
      reply: (message) => sent.push(message),
      onChange: () => changes.push(flow.isClogged),
      bounds,
      around: new Budget(1_000_000, isolate.open(0)),
      clock,
    });
    const answer = (n: number) =>
      flow.answered(JSON.parse(sent.filter((frame) => frame.startsWith("{")).at(n) ?? "{}").id);
    /** Takes all that was sent as cojson before 0.20.10 does. */
    const readAsOldClient = () => {
      for (let n = read; n < sent.length; n++) {
        const frame = sent[n] ?? "";
        if (frame.includes('"content"')) flow.takes(parseMessage(correctionOf(frame)) as KnownMessage);
      }
      read = sent.length;
    };
    let read = 0;
    return { flow, sent, changes, clock, answer, readAsOldClient };
  }

  const correctionOf = (frame: string) =>
    JSON.stringify({
      action: "known",
      isCorrection: true,
      id: JSON.parse(frame).id,
      header: false,
      sessions: {},
    });

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
    const isolate = new IsolateBudget(1_500, 1_000, SHARE_WAITING);
    const [slow, quick] = [newClient(isolate), newClient(isolate)];
    while (!slow.flow.isClogged) slow.flow.send("x".repeat(100));
    quick.flow.send("x".repeat(100));
    expect(quick.flow.isClogged).toBe(false);
    const second = newClient(isolate);
    while (!second.flow.isClogged) second.flow.send("x".repeat(100));
    expect(second.flow.unread).toBeLessThan(bounds.clientUnreadBytes / 2);
  });

  test("and has an old cojson gets more than the bound, as long as it reads", () => {
    const { flow, changes, readAsOldClient } = newClient();
    for (let n = 0; n < 100; n++) {
      flow.send("x".repeat(100));
      if (n % 5 === 4) readAsOldClient();
    }
    expect([changes, flow.unread < bounds.markBytes * 2]).toEqual([[], true]);
  });

  test("and has an old cojson uses up nothing of the isolate with what it has read", () => {
    const isolate = new IsolateBudget(3_000, 1_000, SHARE_WAITING);
    const clients = Array.from({ length: 10 }, () => newClient(isolate));
    for (const { flow, readAsOldClient } of clients) {
      for (let n = 0; n < 9; n++) flow.send("x".repeat(100));
      for (let n = 0; n < 3; n++) readAsOldClient();
    }
    expect(isolate.used).toBe(0);
    const last = newClient(isolate);
    for (let n = 0; n < 6; n++) last.flow.send("x".repeat(100));
    expect(last.flow.isClogged).toBe(false);
  });

  test("is told that the value of a mark exists nowhere, when it loads that at its next connection", () => {
    const { flow, sent } = newClient();
    const { answer } = newMark("content", () => 0);
    const load = JSON.stringify({ action: "load", id: answer, header: false, sessions: {} });
    expect(flow.takes(parseMessage(load) as LoadMessage)).toBe(true);
    expect(sent.map((message) => JSON.parse(message))).toEqual([
      { action: "known", id: answer, header: false, sessions: {} },
    ]);
  });
});

test("every mark that names a value has an id that a client's answer may carry", () => {
  for (const chance of [0, 0.25, 0.5, 0.75, 1 - Number.EPSILON]) {
    const { answer } = newMark("content", () => chance);
    expect(isCoValueId(answer)).toBe(true);
    expect(markKindOf(answer)).toBe("content");
  }
});
