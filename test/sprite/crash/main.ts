import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { defineCommand, wholeNumber } from "../../../cli/command.ts";
import { main } from "../../../cli/main.ts";

const NAME = "crash";
const PROGRESS_ROUNDS = 100;

/** The long form of crash-loop.test.ts. */
const CRASH = defineCommand({
  name: NAME,
  about: "Kills a Sprite under load, round after round, and looks whether it kept what it acknowledged.",
  options: {
    rounds: {
      type: "string",
      default: process.env.SPRITE_CRASH_ROUNDS ?? "10000",
      value: "N",
      about: "how often (default 10000, or SPRITE_CRASH_ROUNDS)",
    },
    seed: {
      type: "string",
      default: process.env.SPRITE_CRASH_SEED ?? String(Date.now() % 1_000_000),
      value: "N",
      about: "of what happens when (default: of the time, or SPRITE_CRASH_SEED)",
    },
  },
  notes: "It ends with 1 at the first promise that was broken, and keeps the store then.",
  async run(values) {
    await crash(wholeNumber(NAME, "rounds", values.rounds), wholeNumber(NAME, "seed", values.seed));
    return undefined;
  },
});

async function crash(rounds: number, seed: number): Promise<void> {
  const [{ buildSprite }, { runCrashLoop }, { describe }] = await Promise.all([
    import("../../../sprite/build.ts"),
    import("./crash-loop.ts"),
    import("./tally.ts"),
  ]);
  const directory = await mkdtemp(join(tmpdir(), "sprite-crash-"));
  const bundle = join(directory, "bundle");
  await buildSprite(bundle);
  const say = (text: string) => process.stdout.write(`${text}\n`);
  say(`${rounds} rounds, seed ${seed}, in ${directory}`);
  const started = performance.now();
  const tally = await runCrashLoop({
    bundle: join(bundle, "main.js"),
    directory,
    seed,
    rounds,
    onRound: (now) => {
      if (now.rounds % PROGRESS_ROUNDS === 0) say(describe(now));
    },
  });
  say(`Nothing was lost in ${Math.round((performance.now() - started) / 1_000)} s: ${describe(tally)}`);
  await rm(directory, { recursive: true, force: true });
}

await main(CRASH);
