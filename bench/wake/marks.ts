/** What a Sprite's process passes on its way to serving. The store opens while it listens already. */
export const MARKS = ["node started", "imported", "listening", "store open", "attached"] as const;
export type Mark = (typeof MARKS)[number];

const PREFIX = "bench-mark ";

/** Milliseconds since the epoch, finer than `Date.now()`, and the same clock in all processes of a computer. */
export function now(): number {
  return performance.timeOrigin + performance.now();
}

/** The line on stdout by which a process says that it has passed a mark. */
export function markLine(mark: Mark, at: number): string {
  return `${PREFIX}${JSON.stringify([mark, at])}\n`;
}

/** @returns the mark and its time, or `undefined` for any other line. */
export function parseMark(line: string): readonly [Mark, number] | undefined {
  return line.startsWith(PREFIX) ? (JSON.parse(line.slice(PREFIX.length)) as [Mark, number]) : undefined;
}
