/** What came of one journey. */
export interface StepResult {
  readonly name: string;
  readonly result: "passed" | "failed" | "skipped";
  readonly ms: number;
  /** What was seen, or why not. */
  readonly detail: string;
}

export interface Report {
  /** Without its query: a key may be in it. */
  readonly endpoint: string;
  readonly at: string;
  readonly ok: boolean;
  readonly steps: readonly StepResult[];
  /** What it left behind. cojson deletes nothing by itself; with `--keep` the next run uses it again. */
  readonly created: { readonly account?: string; readonly group?: string };
}

const MARKS = { passed: "passed ", failed: "FAILED ", skipped: "skipped" } as const;

export function printReport(report: Report): string {
  const width = Math.max(...report.steps.map(({ name }) => name.length));
  const lines = report.steps.map(
    ({ name, result, ms, detail }) =>
      `${MARKS[result]}  ${name.padEnd(width)}  ${`${Math.round(ms)} ms`.padStart(9)}  ${detail}`,
  );
  const failed = report.steps.filter(({ result }) => result === "failed").length;
  const end = failed > 0 ? `${failed} of ${lines.length} failed` : "all well";
  return [`${report.endpoint} at ${report.at}`, ...lines, end].join("\n");
}
