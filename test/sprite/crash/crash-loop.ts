import { type LaneOptions, runLane } from "./lane.ts";
import { newTally, sumOf, type Tally } from "./tally.ts";

const LANES = ["flush", "fsync"] as const;

export type CrashLoopOptions = Pick<LaneOptions, "bundle" | "directory" | "seed" | "rounds" | "onRound"> & {
  /** Ends the loop before its next rounds. */
  readonly signal?: AbortSignal;
};

/**
 * Kills Sprites in `rounds` rounds, half of them for each durability, both at once: most of a round is a process that
 * starts.
 * @throws CrashViolation at the first promise that was broken, when nothing runs any more.
 */
export async function runCrashLoop({
  rounds,
  onRound,
  signal,
  ...options
}: CrashLoopOptions): Promise<Tally> {
  const failure = new AbortController();
  const tallies = new Map<string, Tally>();
  const lanes = LANES.map((durability, index) =>
    runLane({
      ...options,
      durability,
      seed: options.seed + index,
      rounds: Math.ceil(rounds / LANES.length),
      signal: AbortSignal.any([failure.signal, ...(signal ? [signal] : [])]),
      onRound: (tally) => {
        tallies.set(durability, tally);
        onRound?.(sumOf([...tallies.values()]));
      },
    }).catch((error: unknown) => {
      failure.abort();
      throw error;
    }),
  );
  const ended = await Promise.allSettled(lanes);
  const failed = ended.find((lane) => lane.status === "rejected");
  if (failed) throw failed.reason;
  return sumOf(ended.map((lane) => (lane.status === "fulfilled" ? lane.value : newTally())));
}
