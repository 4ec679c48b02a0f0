import { parseArgs } from "node:util";

export const SECTIONS = [
  "edge",
  "sync",
  "wake",
  "sleep",
  "storage-1k",
  "storage-10k",
  "storage-100k",
] as const;
export type SectionName = (typeof SECTIONS)[number];

export interface BenchOptions {
  /** Sections to run, in the order of {@link SECTIONS}. */
  readonly sections: readonly SectionName[];
  /** A tenth of the work: for a look while changing code, not for figures to publish. */
  readonly quick: boolean;
  /** Whether docs/benchmarks.md gets the new tables. */
  readonly write: boolean;
}

export const USAGE = `npm run bench -- [--only ${SECTIONS.join("|")}]... [--quick] [--write]`;

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
      write: { type: "boolean", default: false },
    },
  });
  const asked = values.only?.flatMap((list) => list.split(",")) ?? [];
  for (const name of asked) {
    if (!SECTIONS.some((section) => names(name, section)))
      throw new Error(`--only ${name}: no such section\n${USAGE}`);
  }
  if (values.quick && values.write)
    throw new Error(`--quick figures are too rough to be kept: leave out --write\n${USAGE}`);
  const wanted = (section: SectionName) => asked.some((name) => names(name, section));
  const sections = asked.length === 0 ? [...SECTIONS] : SECTIONS.filter(wanted);
  return { sections, quick: values.quick, write: values.write };
}

/** `storage` names all sections of storage. */
function names(asked: string, section: SectionName): boolean {
  return section === asked || section.startsWith(`${asked}-`);
}
