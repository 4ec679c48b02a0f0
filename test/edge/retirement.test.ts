import { describe, expect, test } from "vitest";
import { Drain, readDrainNote } from "../../edge/drain.ts";
import { Retirement } from "../../edge/retirement.ts";
import { Wear } from "../../edge/wear.ts";
import { LIMITS } from "../../shared/limits.ts";

function newRetirement(note = readDrainNote(null), share = 0.5) {
  const clock = { time: 100_000 };
  const wear = new Wear();
  const retirement = new Retirement({ wear, now: () => clock.time, random: () => share, drain: () => note });
  return { clock, wear, retirement };
}

describe("a session", () => {
  test("goes at a quiet moment when it has used half of what one invocation may, and at any moment later on", () => {
    const { wear, retirement } = newRetirement();
    const use = (part: number) => {
      while (wear.spent < part) wear.frame(1024, 1);
    };
    use(LIMITS.retireWhenQuiet * 0.99);
    expect(retirement.due(true)).toBeUndefined();
    use(LIMITS.retireWhenQuiet);
    expect(retirement.due(false)).toBeUndefined();
    expect(retirement.due(true)).toContain("most");
    use(LIMITS.retireAtAnyRate);
    expect(retirement.due(false)).toContain("used up");
  });

  test("counts subrequests as well as CPU time", () => {
    const { wear, retirement } = newRetirement();
    for (let n = 0; n < LIMITS.invocationSubrequests * LIMITS.retireWhenQuiet; n++) wear.subrequest();
    expect(retirement.due(true)).toContain("most");
  });

  test("lives for days of pings, and for a day of somebody who types without a pause", () => {
    const spentBy = (frames: number, chars: number) => {
      const wear = new Wear();
      for (let n = 0; n < frames; n++) wear.frame(chars, 1);
      return wear.spent;
    };
    expect(spentBy((7 * 86_400_000) / LIMITS.pingIntervalMs, 50)).toBeLessThan(LIMITS.retireWhenQuiet);
    expect(spentBy(86_400 * 5 * 2, 500)).toBeLessThan(LIMITS.retireWhenQuiet);
  });

  test("of an edge that is drained goes in its turn, when it is quiet; the last ones in any case", () => {
    const { clock, retirement } = newRetirement({ before: 200_000, spread: 60_000 });
    clock.time = 229_999;
    expect(retirement.due(true)).toBeUndefined();
    clock.time = 230_000;
    expect(retirement.due(true)).toContain("drained");
    expect(retirement.due(false)).toBeUndefined();
    clock.time = 320_000;
    expect(retirement.due(false)).toContain("drained");
  });

  test("that began after the note stays", () => {
    const { clock, retirement } = newRetirement({ before: 100_000, spread: 0 });
    clock.time = 900_000;
    expect(retirement.due(true)).toBeUndefined();
  });
});

describe("the note that drains an edge", () => {
  test("says when and over how long, and nothing when it cannot be read", () => {
    expect(readDrainNote("1764081600 600")).toEqual({ before: 1_764_081_600_000, spread: 600_000 });
    expect(readDrainNote(" 1764081600\n").spread).toBe(LIMITS.drainSpreadMs);
    for (const text of [null, "", "now", "-5", "1e9"]) expect(readDrainNote(text).before).toBe(0);
  });

  test("is read once a minute for all sessions of an isolate, and a failure changes nothing", async () => {
    const drain = new Drain();
    const answers: (string | Error)[] = ["1000 1", new Error("down"), "2000 1"];
    let reads = 0;
    const notes = () => ({
      get: async () => {
        const answer = answers[reads++];
        if (answer instanceof Error) throw answer;
        return answer ?? null;
      },
    });
    const noteAt = async (now: number) => {
      drain.note(now, notes);
      await new Promise((next) => setImmediate(next));
      return drain.note(now, notes).before;
    };
    expect(await noteAt(1_000_000)).toBe(1_000_000);
    expect(await noteAt(1_000_000 + LIMITS.drainReadMs - 1)).toBe(1_000_000);
    expect(reads).toBe(1);
    expect(await noteAt(1_000_000 + LIMITS.drainReadMs)).toBe(1_000_000);
    expect(await noteAt(1_000_000 + 2 * LIMITS.drainReadMs)).toBe(2_000_000);
    expect(reads).toBe(3);
  });
});
