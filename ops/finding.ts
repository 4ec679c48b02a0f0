/** One thing that the doctor looked at. */
export interface Finding {
  /** `problem`: it will not work. `warning`: it works, and may surprise. */
  readonly level: "ok" | "warning" | "problem";
  /** The setting, file or service that it is about. */
  readonly about: string;
  readonly says: string;
  /** The exact command that mends it. */
  readonly run?: string;
  /** The line to be written, and where, when no command does it. */
  readonly edit?: string;
}

type Mend = Pick<Finding, "run" | "edit">;

export function ok(about: string, says: string): Finding {
  return { level: "ok", about, says };
}

export function warning(about: string, says: string, mend: Mend = {}): Finding {
  return { level: "warning", about, says, ...mend };
}

export function problem(about: string, says: string, mend: Mend = {}): Finding {
  return { level: "problem", about, says, ...mend };
}

const MARKS = { ok: "ok     ", warning: "warning", problem: "PROBLEM" } as const;

/** Findings as text, one paragraph each. */
export function printFindings(findings: readonly Finding[]): string {
  const lines = findings.flatMap(({ level, about, says, run, edit }) => [
    `${MARKS[level]}  ${about}: ${says}`,
    ...(run ? [`           run   ${run}`] : []),
    ...(edit ? [`           edit  ${edit}`] : []),
  ]);
  const count = (level: Finding["level"]) => findings.filter((finding) => finding.level === level).length;
  return [...lines, `${count("problem")} problems, ${count("warning")} warnings, ${count("ok")} fine`].join(
    "\n",
  );
}
