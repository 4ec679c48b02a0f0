import { writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Chance } from "./chance.ts";
import { Diary } from "./diary.ts";
import { Schedule } from "./schedule.ts";
import { settle } from "./settle.ts";
import { World } from "./world.ts";

export interface SoakOptions {
  readonly seed: number;
  readonly minutes: number;
  /** The bundled Sprite's program. */
  readonly spriteEntry: string;
  /** Told of everything that happens. */
  readonly say?: (line: string) => void;
  /** Told once a minute how far it is. */
  readonly progress?: (line: string) => void;
}

const SIZE = { authors: 4, teams: 4 };
const LINES_SHOWN = 40;

/**
 * The whole product with real parts under everything that can happen to it, for `minutes`; then everything must agree.
 * @returns how often what happened.
 * @throws Error with the seed, the last events, and what is wrong.
 */
export async function soak(options: SoakOptions): Promise<string> {
  const { seed, minutes, spriteEntry, say, progress = () => undefined } = options;
  const diary = new Diary(minutes, say);
  const world = await World.open(diary, SIZE, spriteEntry);
  try {
    await new Schedule(world, new Chance(seed), minutes > 2).run(minutes * 60_000, progress);
    diary.line("the schedule is over");
    progress("the schedule is over; now everything must agree");
    await settle(world);
    return `${diary.report()}\n${String(world.outages.explained).padStart(6)} × a client's socket ended, all by an edge's restart`;
  } catch (error) {
    throw new Error(await story(world, seed, error), { cause: error });
  } finally {
    await world.close();
  }
}

async function story(world: World, seed: number, error: unknown): Promise<string> {
  const log = join(tmpdir(), `sprite-sync-soak-${seed}.log`);
  await writeFile(log, [...world.diary.last(Number.POSITIVE_INFINITY), "", ...world.log].join("\n"));
  return [
    error instanceof Error ? error.message : String(error),
    ...world.faults,
    ...world.outages.unexplained,
    `seed ${seed}; what Sprites and edge said is in ${log}; the last events:`,
    ...world.diary.last(LINES_SHOWN),
    "",
    world.diary.report(),
  ].join("\n");
}
