import type { SyncMessage } from "cojson";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { catchUpMessage } from "../../shared/control.ts";
import { LIMITS } from "../../shared/limits.ts";
import { CatchUps, UpstreamCatchUp } from "../../sprite/catch-ups.ts";

const content = (id: string) => ({ action: "content", id, priority: 0, new: {} }) as never as SyncMessage;
const known = (id: string, header: boolean, isCorrection?: true) =>
  ({
    action: "known",
    id,
    header,
    sessions: {},
    ...(isCorrection && { isCorrection }),
  }) as never as SyncMessage;

/** One upstream, whose node answers a mark when the test says that it has handled all before. */
class End {
  readonly passed: string[] = [];
  readonly marks: SyncMessage[] = [];
  idle = true;
  readonly catchUp: UpstreamCatchUp;

  constructor(id: string, all: CatchUps) {
    this.catchUp = new UpstreamCatchUp(id, all, {
      pass: (message) => this.passed.push(show(message)),
      deliver: (message) => this.marks.push(message),
      isIdle: () => this.idle,
    });
  }

  fromNode(message: SyncMessage): void {
    if (!this.catchUp.takes(message)) this.passed.push(show(message));
  }

  answerMarks(): void {
    for (const mark of this.marks.splice(0)) this.fromNode({ action: "reconcile-ack", id: mark.id } as never);
  }
}

function show(message: SyncMessage): string {
  return `${message.action} ${message.id}`;
}

describe("what a Sprite tells others while one session catches up", () => {
  let all: CatchUps;
  let writer: End;
  let reader: End;

  beforeEach(() => {
    vi.useFakeTimers();
    all = new CatchUps();
    writer = new End("writer", all);
    reader = new End("reader", all);
    writer.catchUp.receive(catchUpMessage("begin"));
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  test("waits for the end if it is about a new value, and keeps its order", () => {
    writer.catchUp.created("account");
    reader.fromNode(content("account"));
    reader.fromNode(known("account", true));
    reader.fromNode(content("account"));
    expect(reader.passed).toEqual([]);
    expect(reader.catchUp.holdsSomething).toBe(true);
    writer.catchUp.receive(catchUpMessage("end"));
    // The node may still be busy with what came before the end.
    expect(reader.passed).toEqual([]);
    writer.answerMarks();
    expect(reader.passed).toEqual(["content account", "known account", "content account"]);
    expect(reader.catchUp.holdsSomething).toBe(false);
  });

  test("waits for what the admission holds back", () => {
    writer.catchUp.created("account");
    writer.idle = false;
    reader.fromNode(content("account"));
    writer.catchUp.receive(catchUpMessage("end"));
    expect(writer.marks).toEqual([]);
    writer.idle = true;
    writer.catchUp.checkEnd();
    writer.answerMarks();
    expect(reader.passed).toEqual(["content account"]);
  });

  test("does not wait if the value was there before, or if it answers the one who catches up", () => {
    writer.catchUp.created("account");
    reader.fromNode(content("map"));
    reader.fromNode(known("map", true));
    reader.fromNode(known("other", false, true));
    writer.fromNode(known("account", true));
    expect(reader.passed).toEqual(["content map", "known map", "known other"]);
    expect(writer.passed).toEqual(["known account"]);
  });

  test("waits before it says that a value is not here", () => {
    reader.fromNode(known("account", false));
    expect(reader.passed).toEqual([]);
    writer.catchUp.receive(catchUpMessage("end"));
    writer.answerMarks();
    expect(reader.passed).toEqual(["known account"]);
  });

  test("waits no longer than its limit, and not for one who is gone", () => {
    writer.catchUp.created("account");
    reader.fromNode(content("account"));
    vi.advanceTimersByTime(LIMITS.catchUpMs);
    expect(reader.passed).toEqual(["content account"]);
    writer.catchUp.receive(catchUpMessage("begin"));
    writer.catchUp.created("account");
    reader.fromNode(content("account"));
    writer.catchUp.close();
    expect(reader.passed).toEqual(["content account", "content account"]);
  });

  test("does not wait for those who come after it, however many they are", () => {
    reader.fromNode(known("missing", false));
    for (let n = 0; n < 10; n++) {
      new End(`later ${n}`, all).catchUp.receive(catchUpMessage("begin"));
      vi.advanceTimersByTime(LIMITS.catchUpMs / 4);
    }
    expect(reader.passed).toEqual(["known missing"]);
    expect(reader.catchUp.holdsSomething).toBe(false);
  });

  test("waits until the last of several is done", () => {
    const second = new End("second", all);
    second.catchUp.receive(catchUpMessage("begin"));
    writer.catchUp.created("account");
    second.catchUp.created("account");
    reader.fromNode(content("account"));
    all.end("writer");
    expect(reader.passed).toEqual([]);
    all.end("second");
    expect(reader.passed).toEqual(["content account"]);
  });
});
