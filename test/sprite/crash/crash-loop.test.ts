import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { SPRITE_BUNDLE } from "../../support/sprite-bundle.ts";
import { runCrashLoop } from "./crash-loop.ts";
import { describe } from "./tally.ts";

/** The long form is `npm run crash`, with the same two settings. */
const rounds = Number(process.env.SPRITE_CRASH_ROUNDS ?? 300);
const seed = Number(process.env.SPRITE_CRASH_SEED ?? Date.now() % 1_000_000);

test(`A Sprite that is killed at any instant has kept all it acknowledged, changed nothing, and opens again (seed ${seed})`, {
  timeout: 60_000 + rounds * 3_000,
}, async () => {
  const directory = await mkdtemp(join(tmpdir(), "sprite-crash-"));
  const stop = new AbortController();
  onTestFinished(() => stop.abort());
  const tally = await runCrashLoop({ bundle: SPRITE_BUNDLE, directory, seed, rounds, signal: stop.signal });
  // Kept when it failed: the error names the store in it.
  await rm(directory, { recursive: true, force: true });

  // A loop that kills idle processes, or that acknowledges nothing, finds nothing.
  const did = describe(tally);
  expect(tally.rounds, did).toBeGreaterThanOrEqual(rounds);
  expect(tally.beforeReady, did).toBeGreaterThan(rounds * 0.04);
  expect(tally.inFlight, did).toBeGreaterThan(rounds * 0.4);
  expect(tally.acknowledged, did).toBeGreaterThan(rounds * 10);
  expect(tally.unacknowledged, did).toBeGreaterThan(rounds);
  expect(tally.readBack, did).toBeGreaterThan(rounds);
});
