import { parseArgs } from "node:util";

export const SECTIONS = ["edge", "sync", "wake", "sleep", "storage"] as const;
export type SectionName = (typeof SECTIONS)[number];

export interface BenchOptions {
  /** Sections to run, in the order of {@link SECTIONS}. */
  readonly sections: readonly SectionName[];
  /** A tenth of the work: for a look while changing code, not for figures to publish. */
  readonly quick: boolean;
  /** Also what takes many minutes: stores of 20,000 and 100,000 CoValues. */
  readonly large: boolean;
  /** Whether docs/benchmarks.md gets the new tables. */
  readonly write: boolean;
}

export const USAGE = `npm run bench -- [--only ${SECTIONS.join("|")}]... [--quick | --large] [--write]`;

/**
 * Reads the command line.
 * @throws Error naming what is wrong; its message is for people.
 */
export function parseOptions(args: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...args],
    options: {
      only: { type: "string", multiple: true },
      quick: { type: "boolean", default: false },
      large: { type: "boolean", default: false },
      write: { type: "boolean", default: false },
    },
  });
  const asked = new Set(values.only?.flatMap((names) => names.split(",")));
  for (const name of asked) {
    if (!SECTIONS.includes(name as SectionName)) throw new Error(`--only ${name}: no such section\n${USAGE}`);
  }
  if (values.quick && values.write)
    throw new Error(`--quick figures are too rough to be kept: leave out --write\n${USAGE}`);
  const sections = asked.size === 0 ? [...SECTIONS] : SECTIONS.filter((name) => asked.has(name));
  return { sections, quick: values.quick, large: values.large, write: values.write };
}
