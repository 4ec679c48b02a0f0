import { createReadStream, statSync } from "node:fs";
import { createGunzip } from "node:zlib";
import { SpriteSyncError } from "../../shared/errors.ts";
import { asExportEnd, EXPORT_VERSION, MAX_LINE_CHARS, parseExportHead, parseJson } from "./export-format.ts";
import { StoreReader } from "./store-reader.ts";
import { readLines } from "./text-lines.ts";

/** One piece of a source that is still to be checked. */
export interface ImportItem {
  /** For the report: a line, or a CoValue. */
  readonly where: string;
  /** A content message if all is well; `undefined` for something that could not be read. */
  readonly value: unknown;
}

/** Where an import comes from. Nothing of it changes. */
export interface ImportSource {
  /** CoValues to expect, for the progress only. */
  readonly covalues: number;
  items(): AsyncIterable<ImportItem>;
  /** What the source itself knows to be missing; complete once all items were read. */
  problems(): readonly string[];
  close(): Promise<void>;
}

/** A file made by `export`. @throws SpriteSyncError when it is none, or of a newer version. */
export async function openExportFile(file: string): Promise<ImportSource> {
  if (!statSync(file, { throwIfNoEntry: false })?.isFile()) {
    throw new SpriteSyncError("config-invalid", `${file} is not a file.`);
  }
  const lines = linesOf(file);
  const problems: string[] = [];
  const head = parseExportHead((await lines.next()).value ?? "");
  if (head === undefined) {
    await lines.return(undefined);
    throw new SpriteSyncError("config-invalid", `${file} does not begin as an export does.`);
  }
  if (head.version > EXPORT_VERSION) {
    await lines.return(undefined);
    const what = `${file} has version ${head.version}; this program knows versions up to ${EXPORT_VERSION}. Use a newer version of it.`;
    throw new SpriteSyncError("config-invalid", what);
  }
  return {
    covalues: head.covalues,
    items: () => itemsOf(lines, problems),
    problems: () => problems,
    close: async () => void (await lines.return(undefined)),
  };
}

/** Another store, also one in use. */
export async function openStoreSource(directory: string): Promise<ImportSource> {
  const reader = await StoreReader.open(directory);
  return {
    covalues: reader.count,
    async *items() {
      for await (const message of reader.messages()) yield { where: message.id, value: message };
    },
    problems: () => reader.damaged.map((id) => `${id} is damaged in the source`),
    close: () => reader.close(),
  };
}

async function* itemsOf(lines: AsyncGenerator<string>, problems: string[]): AsyncGenerator<ImportItem> {
  let number = 1;
  try {
    for await (const line of lines) {
      number++;
      const value = parseJson(line);
      const end = asExportEnd(value);
      if (end === undefined) {
        yield { where: `line ${number}`, value };
        continue;
      }
      if (end.messages !== number - 2) {
        problems.push(`the file has ${number - 2} lines of content and says that they are ${end.messages}`);
      }
      for (const id of end.damaged) problems.push(`${id} was damaged when it was exported`);
      return;
    }
  } catch (error) {
    // What could be read is imported; the rest is named.
    const reason = error instanceof Error ? error.message : String(error);
    problems.push(`the file cannot be read after line ${number}: ${reason}`);
    return;
  }
  problems.push(`the file was cut off after line ${number}`);
}

async function* linesOf(file: string): AsyncGenerator<string> {
  const bytes = createReadStream(file);
  const text = createGunzip();
  bytes.on("error", (error) => text.destroy(error));
  try {
    yield* readLines(bytes.pipe(text), MAX_LINE_CHARS);
  } finally {
    bytes.destroy();
    text.destroy();
  }
}
