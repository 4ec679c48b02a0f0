import { UsageError } from "../cli/failure.ts";

export const SECTIONS = [
  "edge",
  "sync",
  "upload",
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

export const NAME = "bench";

/** As `defineCommand` takes them. */
export const OPTIONS = {
  only: {
    type: "string",
    multiple: true,
    value: "SECTION",
    about: `runs this section only; may be repeated: ${SECTIONS.join(", ")}, or storage for all of its sizes`,
  },
  quick: {
    type: "boolean",
    default: false,
    about: "a tenth of the work: for a look while changing code, not for figures to publish",
  },
  write: { type: "boolean", default: false, about: "keeps the new tables in docs/benchmarks.md" },
} as const;

/**
 * Reads the values of the options.
 * @throws UsageError naming what is wrong.
 */
export function toOptions(values: {
  readonly only?: readonly string[];
  readonly quick: boolean;
  readonly write: boolean;
}): BenchOptions {
  const asked = values.only?.flatMap((list) => list.split(",")) ?? [];
  for (const name of asked) {
    if (!SECTIONS.some((section) => names(name, section)))
      throw new UsageError(NAME, `--only ${name}: there is no such section`);
  }
  if (values.quick && values.write)
    throw new UsageError(NAME, "--quick figures are too rough to be kept: leave out --write");
  const wanted = (section: SectionName) => asked.some((name) => names(name, section));
  const sections = asked.length === 0 ? [...SECTIONS] : SECTIONS.filter(wanted);
  return { sections, quick: values.quick, write: values.write };
}

/** `storage` names all sections of storage. */
function names(asked: string, section: SectionName): boolean {
  return section === asked || section.startsWith(`${asked}-`);
}
