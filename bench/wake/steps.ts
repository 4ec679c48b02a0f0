/** What a Sprite logs on its way to serving, in the order in which it usually happens. */
export const STEPS = ["listening", "loaded", "storage open", "upstream opened"] as const;
export type Step = (typeof STEPS)[number];

/** Milliseconds since the epoch, finer than `Date.now()`, and the same clock in all processes of a computer. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** @returns the step that a line of a Sprite's log tells of, and when it was reached (whole ms); `undefined` for any other line. */
export function parseStep(line: string): readonly [Step, number] | undefined {
  if (!line.startsWith("{")) return undefined;
  const { msg, time } = JSON.parse(line) as { msg?: unknown; time?: unknown };
  const step = STEPS.find((known) => known === msg);
  return step !== undefined && typeof time === "number" ? [step, time] : undefined;
}
