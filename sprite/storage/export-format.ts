import { z } from "zod";

/**
 * An export: gzip of JSON lines. First an {@link ExportHead}, then cojson content messages as `StorageAPI.load` gives
 * them, each CoValue after those it depends on, last an {@link ExportEnd}: a file without one was cut off.
 */
const FORMAT = "sprite-sync-export";

/** Version of the lines described above. Raise it when an older program could not import the file. */
export const EXPORT_VERSION = 1;

/** Characters of a line at most: far over any message that a store holds, and bounds what a foreign file can cost. */
export const MAX_LINE_CHARS = 256 * 1024 * 1024;

const headSchema = z.object({
  format: z.literal(FORMAT),
  version: z.int().positive(),
  /** CoValues ever created in the store when the export began; the end says how many the file holds. */
  covalues: z.int().nonnegative(),
});
export type ExportHead = z.infer<typeof headSchema>;

const endSchema = z.object({
  end: z.literal(FORMAT),
  covalues: z.int().nonnegative(),
  messages: z.int().nonnegative(),
  transactions: z.int().nonnegative(),
  /** CoValues that could not be read whole; what is sound of them is in the file. */
  damaged: z.array(z.string()),
});
export type ExportEnd = z.infer<typeof endSchema>;

export function exportHead(covalues: number): ExportHead {
  return { format: FORMAT, version: EXPORT_VERSION, covalues };
}

export function exportEnd(counts: Omit<ExportEnd, "end">): ExportEnd {
  return { end: FORMAT, ...counts };
}

/** The first line of an export, or `undefined` when `line` is no such thing. */
export function parseExportHead(line: string): ExportHead | undefined {
  return headSchema.safeParse(parseJson(line)).data;
}

/** The last line of an export, or `undefined` when `value` is another one. */
export function asExportEnd(value: unknown): ExportEnd | undefined {
  return endSchema.safeParse(value).data;
}

/** @returns `undefined` for what is not JSON. */
export function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    // The caller refuses `undefined`, which no JSON text gives, with its own words.
    return undefined;
  }
}
