import { readFile, writeFile } from "node:fs/promises";
import { replaceSection } from "./document.ts";
import { edgeSection } from "./edge/section.ts";
import { describeLoad, describeMachine } from "./machine.ts";
import type { BenchOptions, SectionName } from "./options.ts";
import { sleepSection } from "./sleep/section.ts";
import { storageSection } from "./storage/section.ts";
import { syncSection } from "./sync/section.ts";
import { type Section, toMarkdown } from "./table.ts";
import { uploadSection } from "./upload/section.ts";
import { wakeSection } from "./wake/section.ts";

const DOCUMENT = new URL("../docs/benchmarks.md", import.meta.url);

const ALL: Readonly<Record<SectionName, Section>> = {
  edge: edgeSection,
  sync: syncSection,
  upload: uploadSection,
  wake: wakeSection,
  sleep: sleepSection,
  "storage-1k": storageSection(1_000),
  "storage-10k": storageSection(10_000),
  "storage-100k": storageSection(100_000),
};

/** Measures what was asked for, prints it and, with `--write`, keeps it in docs/benchmarks.md. */
export async function bench({ sections, quick, write }: BenchOptions): Promise<void> {
  console.log(`${describeMachine()}${quick ? "; quick: figures are rough" : ""}`);
  for (const name of sections) {
    const text = await measure(name, quick);
    console.log(`\n${text}\n`);
    if (write) await writeFile(DOCUMENT, replaceSection(await readFile(DOCUMENT, "utf8"), name, text));
  }
}

async function measure(name: SectionName, quick: boolean): Promise<string> {
  const before = describeLoad();
  const begun = performance.now();
  const tables = await ALL[name].run(quick, (what) => console.error(`${name}: ${what}`));
  const seconds = ((performance.now() - begun) / 1_000).toFixed(0);
  const date = new Date().toISOString().slice(0, 10);
  const conditions = `_${date}, ${describeMachine()}; load average ${before} before, ${describeLoad()} after ${seconds} s._`;
  return [conditions, ...tables.map(toMarkdown)].join("\n\n");
}
