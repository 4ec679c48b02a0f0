import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildSprite } from "../../../sprite/build.ts";
import { runCrashLoop } from "./crash-loop.ts";
import { describe } from "./tally.ts";

/**
 * `npm run crash`: the long form of crash-loop.test.ts. `SPRITE_CRASH_ROUNDS` (10,000 unless given) and `SPRITE_CRASH_SEED`.
 * Ends with 1 at the first promise that was broken, and keeps the store then.
 */
const PROGRESS_ROUNDS = 100;

async function main(): Promise<void> {
  const rounds = Number(process.env.SPRITE_CRASH_ROUNDS ?? 10_000);
  const seed = Number(process.env.SPRITE_CRASH_SEED ?? Date.now() % 1_000_000);
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

main().catch((error: unknown) => {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
});
