/** What one run of a contender measured, by metric. */
export type Sample = Readonly<Record<string, number>>;

export interface Contender {
  readonly name: string;
  /** Does the work once, the same amount each time. */
  run(): Promise<Sample>;
}

/** For each contender its samples, one a round, in the order of the rounds. */
export type Samples = ReadonlyMap<string, readonly Sample[]>;

/**
 * Runs all contenders in each round, forwards and backwards in turn, so that neither drift nor whoever comes before
 * favours one of them. One round more is run first and forgotten: it warms caches and compilers.
 */
export async function interleave(contenders: readonly Contender[], rounds: number): Promise<Samples> {
  const samples = new Map<string, Sample[]>(contenders.map(({ name }) => [name, []]));
  for (let round = 0; round <= rounds; round++) {
    for (const contender of round % 2 === 0 ? contenders : contenders.toReversed()) {
      const sample = await contender.run();
      if (round > 0) samples.get(contender.name)?.push(sample);
    }
  }
  return samples;
}

/** One metric of one contender over the rounds. @throws RangeError when it was not measured. */
export function series(samples: Samples, contender: string, metric: string): number[] {
  const values = samples.get(contender)?.map((sample) => sample[metric]) ?? [];
  return values.map((value) => {
    if (value === undefined) throw new RangeError(`${contender} has no ${metric}`);
    return value;
  });
}
