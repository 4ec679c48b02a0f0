import { performance } from "node:perf_hooks";
import { setTimeout as pause } from "node:timers/promises";
import { kill, killWhileFallingAsleep, killWhileWaking, loseDisk, silence, standStill } from "./accidents.ts";
import type { Chance } from "./chance.ts";
import { ComingAndGoing } from "./coming-and-going.ts";
import type { Kind } from "./diary.ts";
import type { Team } from "./team.ts";
import type { World } from "./world.ts";
import { Writing } from "./writing.ts";

/** Between two steps: short, so that much overlaps, and long enough for two cores. */
const STEP_MS = [5, 160] as const;
/** A step that has not happened often enough becomes this much more likely. */
const OVERDUE = 4;
/** A pause after which an edge would have given the Sprite up is part of long soaks only. */
const PAUSE_MS = [200, 4_000] as const;
const LONG_PAUSE_MS = 18_000;

interface Step {
  readonly kind: Kind;
  readonly weight: number;
  readonly do: () => void;
}

/** Draws one step after the other: what people do, and what goes wrong. */
export class Schedule {
  readonly #world: World;
  readonly #chance: Chance;
  readonly #writing: Writing;
  readonly #people: ComingAndGoing;
  readonly #longPauses: boolean;
  readonly #steps: readonly Step[];

  constructor(world: World, chance: Chance, longPauses: boolean) {
    this.#world = world;
    this.#chance = chance;
    this.#longPauses = longPauses;
    this.#writing = new Writing(world, chance.fork());
    this.#people = new ComingAndGoing(world, chance.fork());
    this.#steps = [...this.#peopleSteps(), ...this.#sleepSteps(), ...this.#accidentSteps()];
  }

  /**
   * Runs steps for `ms`, and on until everything has happened often enough; then waits for all that is under way.
   * @param progress told once a minute what is missing.
   * @throws Error when that does not come about within three times `ms`, or when something failed.
   */
  async run(ms: number, progress: (line: string) => void): Promise<void> {
    const { diary, faults } = this.#world;
    const begun = performance.now();
    let minutes = 0;
    let load = performance.eventLoopUtilization();
    for (;;) {
      const elapsed = performance.now() - begun;
      const missing = diary.missing();
      if (elapsed >= (minutes + 1) * 60_000) {
        // All clients live in this thread: near 100 %, what they wait for is most often their own turn.
        const now = performance.eventLoopUtilization();
        const busy = (100 * performance.eventLoopUtilization(now, load).utilization).toFixed(0);
        load = now;
        const seldom = missing.join(", ") || "nothing";
        progress(`${++minutes} minutes; clients busy ${busy} %; happened too seldom so far: ${seldom}`);
      }
      if (faults.length > 0) throw new Error("something failed that no accident explains");
      if (elapsed >= ms && missing.length === 0) break;
      if (elapsed >= 3 * ms) throw new Error(`too little happened: ${missing.join("; ")}`);
      const overdue = elapsed > ms / 2 ? missing : [];
      const steps = this.#steps.map(
        (step) => [step, step.weight * (overdue.includes(step.kind) ? OVERDUE : 1)] as const,
      );
      this.#chance.weighted(steps)?.do();
      await pause(this.#chance.between(...STEP_MS));
    }
    this.#people.everybodyBack();
    await this.#world.idle();
  }

  #peopleSteps(): Step[] {
    const [writing, people] = [this.#writing, this.#people];
    return [
      { kind: "write", weight: 40, do: () => writing.write() },
      { kind: "write of one key by several at once", weight: 8, do: () => writing.contend() },
      { kind: "large write", weight: 0.6, do: () => writing.writeLarge() },
      { kind: "write while offline", weight: 6, do: () => writing.writeOffline() },
      { kind: "new value", weight: 2, do: () => writing.create() },
      { kind: "newcomer loaded", weight: 1.2, do: () => people.visit() },
      { kind: "author joined", weight: 0.2, do: () => people.join() },
      {
        kind: "device gone for good after its ack",
        weight: 0.6,
        do: () =>
          this.#trouble("device gone for good after its ack", (team, chance) => people.passBy(team, chance)),
      },
      { kind: "author left", weight: 0.8, do: () => people.leave() },
      { kind: "author returned", weight: 1, do: () => people.comeBack() },
    ];
  }

  #sleepSteps(): Step[] {
    const asleep = (what: Kind, then: (team: Team, chance: Chance) => Promise<void>) => () =>
      this.#trouble(what, (team, chance) => silence(this.#world, team, () => then(team, chance)));
    const lookAway = async (chance: Chance) => {
      if (chance.is(0.5)) await pause(chance.between(0, 3_000));
    };
    return [
      {
        kind: "woken by a write",
        weight: 1.4,
        do: asleep("woken by a write", async (team, chance) => {
          await lookAway(chance);
          this.#wakeByWriting(team, "woken by a write");
        }),
      },
      {
        kind: "woken by a newcomer",
        weight: 0.6,
        do: asleep("woken by a newcomer", async (team, chance) => {
          await lookAway(chance);
          if (this.#world.isAsleep(team)) this.#world.diary.count("woken by a newcomer", team.sprite);
          await this.#people.visitOf(team);
        }),
      },
      {
        kind: "killed while waking",
        weight: 0.8,
        do: asleep("killed while waking", async (team, chance) => {
          if (!this.#world.isAsleep(team)) return;
          await killWhileWaking(this.#world, team, chance, () => this.#writing.write(team));
          this.#world.diary.count("killed while waking", team.sprite);
        }),
      },
      {
        kind: "lost its disk asleep",
        weight: 0.5,
        do: asleep("lost its disk asleep", async (team, chance) => {
          if (!this.#world.isAsleep(team)) return;
          loseDisk(this.#world, this.#world.machineOf(team));
          this.#world.diary.count("lost its disk asleep", team.sprite);
          await lookAway(chance);
          if (chance.is(0.7)) this.#wakeByWriting(team, "write");
        }),
      },
      {
        kind: "killed while falling asleep",
        weight: 0.5,
        do: () =>
          this.#trouble("killed while falling asleep", async (team, chance) => {
            await killWhileFallingAsleep(this.#world, team, chance);
            this.#world.diary.count("killed while falling asleep", team.sprite);
          }),
      },
    ];
  }

  #wakeByWriting(team: Team, kind: Kind): void {
    const wasAsleep = this.#world.isAsleep(team);
    this.#writing.write(team);
    if (wasAsleep) this.#world.diary.count(kind, team.sprite);
  }

  #accidentSteps(): Step[] {
    const world = this.#world;
    return [
      { kind: "killed at random", weight: 0.7, do: () => this.#killAny() },
      {
        kind: "killed after a write",
        weight: 0.6,
        do: () =>
          this.#trouble("killed after a write", async (team, chance) => {
            this.#writing.write(team);
            if (chance.is(0.7)) await pause(chance.between(0, 30));
            kill(world, world.machineOf(team));
            world.diary.count("killed after a write", team.sprite);
          }),
      },
      this.#standStillStep("paused, then continued", "SIGCONT"),
      this.#standStillStep("paused, then killed", "SIGKILL"),
      {
        kind: "lost its disk awake",
        weight: 0.4,
        do: () =>
          this.#trouble("lost its disk awake", async (team) => {
            const machine = world.machineOf(team);
            if (machine.state !== "started") return;
            if (this.#chance.is(0.5)) this.#writing.write(team);
            loseDisk(world, machine);
            world.diary.count("lost its disk awake", team.sprite);
          }),
      },
      { kind: "account lost its disk", weight: 0.2, do: () => this.#loseAccount() },
      { kind: "edge restarted", weight: 0.25, do: () => this.#restartEdge() },
    ];
  }

  #standStillStep(kind: Kind, end: "SIGCONT" | "SIGKILL"): Step {
    return {
      kind,
      weight: 0.4,
      do: () =>
        this.#trouble(kind, async (team, chance) => {
          const machine = this.#world.machineOf(team);
          if (machine.state !== "started") return;
          const ms = this.#longPauses && chance.is(0.1) ? LONG_PAUSE_MS : chance.between(...PAUSE_MS);
          this.#world.diary.line(`${kind}: ${team.sprite} for ${ms.toFixed(0)} ms`);
          await standStill(this.#world, machine, ms, end);
          this.#world.diary.count(kind, team.sprite);
        }),
    };
  }

  /** One thing at a time happens to a team's Sprite, and at least half of the teams are not silent. */
  #trouble(what: string, task: (team: Team, chance: Chance) => Promise<void>): void {
    const { teams } = this.#world;
    const chance = this.#chance.fork();
    const team = this.#chance.pick(teams.filter(({ trouble }) => !trouble));
    if (!team || teams.filter(({ trouble }) => trouble).length >= teams.length / 2) return;
    team.trouble = what;
    this.#world.begin(`${what} (${team.sprite})`, () =>
      task(team, chance).finally(() => {
        team.trouble = undefined;
      }),
    );
  }

  /** Also the Sprites of accounts. */
  #killAny(): void {
    const awake = this.#world.stack.fleet.machines().filter(({ state }) => state === "started");
    const machine = this.#chance.pick(awake);
    if (!machine) return;
    kill(this.#world, machine);
    this.#world.diary.count("killed at random", machine.name);
  }

  /** Only its owner can bring it back; the Sprites of teams keep replicas. */
  #loseAccount(): void {
    const author = this.#chance.pick(this.#world.authors);
    if (!author) return;
    loseDisk(this.#world, this.#world.machineOf({ sprite: author.sprite }));
    this.#world.diary.count("account lost its disk", `${author.name}, ${author.sprite}`);
  }

  #restartEdge(): void {
    const { outages, stack, diary } = this.#world;
    if (outages.recent) return;
    this.#world.begin("restarting the edge", async () => {
      diary.line("edge restarting");
      await outages.during(() => stack.restartEdge());
      diary.count("edge restarted", "");
    });
  }
}
