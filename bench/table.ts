import type { Ratio } from "./statistics.ts";

export interface Table {
  readonly title: string;
  readonly columns: readonly string[];
  readonly rows: readonly (readonly string[])[];
}

/** A part of the bench: what is measured, and how to measure it. */
export interface Section {
  /**
   * @param quick about a tenth of the work.
   * @param progress is told what begins.
   */
  run(quick: boolean, progress: (what: string) => void): Promise<readonly Table[]>;
}

/** A table as Markdown, its columns aligned, so that it also reads well in a terminal. */
export function toMarkdown({ title, columns, rows }: Table): string {
  const widths = columns.map((column, n) =>
    Math.max(column.length, ...rows.map((row) => row[n]?.length ?? 0)),
  );
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, n) => (n === 0 ? cell.padEnd(widths[n] ?? 0) : cell.padStart(widths[n] ?? 0))).join(" | ")} |`;
  const rule = widths.map((width, n) => (n === 0 ? "-".repeat(width) : `${"-".repeat(width - 1)}:`));
  return [`**${title}**`, "", line(columns), line(rule), ...rows.map(line)].join("\n");
}

/** `1.12 (1.05–1.20)`: the median of the rounds, and where their middle half lies. */
export function formatRatio({ median, low, high }: Ratio): string {
  return `${median.toFixed(2)} (${low.toFixed(2)}–${high.toFixed(2)})`;
}

/** Milliseconds with three digits that mean something. */
export function formatMs(ms: number): string {
  if (ms >= 100) return `${ms.toFixed(0)} ms`;
  return ms >= 1 ? `${ms.toPrecision(3)} ms` : `${(ms * 1_000).toFixed(0)} µs`;
}
