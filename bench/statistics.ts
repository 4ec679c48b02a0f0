/**
 * The value below which `share` (0 to 1) of the values lie, interpolated between neighbours.
 * @throws RangeError without values.
 */
export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((a, b) => a - b);
  const position = (sorted.length - 1) * share;
  const low = sorted[Math.floor(position)];
  const high = sorted[Math.ceil(position)];
  if (low === undefined || high === undefined) throw new RangeError("no values to take a percentile of");
  return low + (high - low) * (position - Math.floor(position));
}

export function median(values: readonly number[]): number {
  return percentile(values, 0.5);
}

/** How many times a baseline: the median of the rounds' ratios, and between what the middle half of them lies. */
export interface Ratio {
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

/**
 * Compares two series round by round, so that what slows the whole machine for a while slows both sides of a ratio.
 * @throws RangeError when the series are empty or not equally long.
 */
export function ratioOf(subject: readonly number[], baseline: readonly number[]): Ratio {
  if (subject.length !== baseline.length)
    throw new RangeError(`${subject.length} rounds cannot be compared with ${baseline.length}`);
  const ratios = subject.map((value, round) => value / (baseline[round] ?? Number.NaN));
  return { median: median(ratios), low: percentile(ratios, 0.25), high: percentile(ratios, 0.75) };
}
