import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type AwakePeriods,
  beginsWatching,
  fellAsleep,
  NEVER_AWAKE,
  wasMet,
} from "../../edge/awake-periods.ts";

/**
 * One Sprite, its coordinator, and sessions whose messages to the coordinator take as long as they like and overtake each
 * other. What is checked is the promise of design §4.3: nobody sleeps through a wake-up that somebody took part in.
 */
class World {
  periods: AwakePeriods = NEVER_AWAKE;
  /** The Sprite's awake periods so far; the last one may still go on. */
  boot = 0;
  awake = false;
  /** Sessions by what they do. A watch or a report is `sent` until the coordinator has it. */
  sent: ({ kind: "met"; boot: number } | { kind: "watch"; boot: number })[] = [];
  watching: number[] = [];
  attached = 0;
  readonly seen = { told: 0, waited: 0, lateWatch: 0 };
  readonly mutant: boolean;

  constructor(mutant: boolean) {
    this.mutant = mutant;
  }

  /** A session dials; a Sprite that slept boots. `asked`: through the coordinator, which starts the host itself. */
  dial(asked: boolean): void {
    if (!this.awake) {
      if (asked) this.#tell();
      this.boot++;
      this.awake = true;
    }
    this.sent.push({ kind: "met", boot: this.boot });
  }

  /** The Sprite goes to sleep, and the sessions that are attached begin to watch. */
  sleep(): void {
    this.awake = false;
    for (; this.attached > 0; this.attached--) this.sent.push({ kind: "watch", boot: this.boot });
  }

  /** The coordinator receives one of the messages under way: any of them. */
  deliver(which: number): void {
    const [message] = this.sent.splice(which % Math.max(1, this.sent.length), 1);
    if (message?.kind === "met") {
      const { periods, news } = wasMet(this.periods, { number: message.boot, boot: String(message.boot) });
      this.periods = periods;
      if (news) this.#tell();
      // A session uses its socket only now; if the Sprite closed it meanwhile, the session learns that as well now.
      if (this.awake && message.boot === this.boot) this.attached++;
      else this.sent.push({ kind: "watch", boot: message.boot });
    } else if (message) {
      const { periods, waits } = beginsWatching(this.periods, String(message.boot));
      this.periods = periods;
      if (message.boot < this.boot) this.seen.lateWatch++;
      if (waits || this.mutant) {
        this.watching.push(message.boot);
        this.seen.waited++;
      } else this.seen.told++;
    }
  }

  /** Everything under way arrives. */
  settle(): void {
    while (this.sent.length > 0) this.deliver(0);
  }

  #tell(): void {
    this.seen.told += this.watching.length;
    this.watching = [];
  }
}

const steps = fc.array(
  fc.oneof(
    fc.record({ do: fc.constant("dial" as const), asked: fc.boolean() }),
    fc.record({ do: fc.constant("sleep" as const) }),
    fc.record({ do: fc.constant("deliver" as const), which: fc.nat(20) }),
  ),
  { maxLength: 60 },
);

type Step = ReturnType<typeof steps.generate>["value"][number];

function play(sequence: readonly Step[], mutant = false): World {
  const world = new World(mutant);
  for (const step of sequence) {
    if (step.do === "dial") world.dial(step.asked);
    else if (step.do === "sleep") world.sleep();
    else world.deliver(step.which);
  }
  world.settle();
  return world;
}

/** Watchers that wait although a later period has begun, and was met by some session. */
function forgotten(world: World): number[] {
  return world.watching.filter((boot) => boot < world.boot);
}

describe("awake periods", () => {
  test("no watcher waits through a period that some session met, whatever overtakes what", () => {
    const total = { told: 0, waited: 0, lateWatch: 0 };
    fc.assert(
      fc.property(steps, (sequence) => {
        const world = play(sequence);
        for (const key of ["told", "waited", "lateWatch"] as const) total[key] += world.seen[key];
        expect(forgotten(world)).toEqual([]);
      }),
      { numRuns: 3000 },
    );
    // The run was not vacuous.
    expect(Math.min(total.told, total.waited, total.lateWatch)).toBeGreaterThan(500);
  });

  test("a coordinator that lets late watchers wait is caught", () => {
    const result = fc.check(
      fc.property(steps, (sequence) => forgotten(play(sequence, true)).length === 0),
      { numRuns: 3000 },
    );
    expect(result.failed).toBe(true);
  });

  const met = (...numbers: number[]) =>
    numbers.reduce(
      (periods, number) => wasMet(periods, { number, boot: `boot-${number}` }).periods,
      NEVER_AWAKE,
    );

  test("a watcher of the newest period waits, also when it is told twice of the same end", () => {
    const first = beginsWatching(met(1), "boot-1");
    expect(first).toEqual({ periods: { latest: { number: 1, boot: "boot-1" }, awake: false }, waits: true });
    expect(beginsWatching(first.periods, "boot-1").waits).toBe(true);
  });

  test("a report of a period that is long over is no news, even one that nobody had heard of", () => {
    const periods = met(1, 3);
    expect(wasMet(periods, { number: 2, boot: "boot-2" })).toEqual({ periods, news: false, overtaken: true });
    expect(beginsWatching(periods, "boot-2").waits).toBe(false);
  });

  test("a Sprite that has raised its number, being behind, is news when it is met again", () => {
    const behind = wasMet(met(1, 5), { number: 3, boot: "restored" });
    expect(behind).toMatchObject({ overtaken: true, news: false });
    expect(wasMet(behind.periods, { number: 6, boot: "restored" })).toMatchObject({
      overtaken: false,
      news: true,
    });
    expect(wasMet(met(1), { number: 4, boot: "boot-1" }).periods.latest?.number).toBe(4);
  });

  test("a Sprite that left word that it sleeps is believed only of its newest period", () => {
    expect(fellAsleep(met(1, 2), "boot-2")).toMatchObject({ periods: { awake: false }, last: true });
    expect(fellAsleep(met(1, 2), "boot-1")).toMatchObject({ periods: { awake: true }, last: false });
  });

  test("a Sprite that counts a number twice, because it lost its disk, is news", () => {
    const again = wasMet(met(1, 2), { number: 2, boot: "other" });
    expect(again).toEqual({
      periods: { latest: { number: 2, boot: "other" }, awake: true },
      news: true,
      overtaken: false,
    });
  });
});
