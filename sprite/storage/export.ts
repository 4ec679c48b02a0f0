import { createWriteStream, existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createGzip } from "node:zlib";
import { SpriteSyncError } from "../../shared/errors.ts";
import { type ExportEnd, exportEnd, exportHead } from "./export-format.ts";
import { StoreReader } from "./store-reader.ts";

/** Called after each message. @param total CoValues to expect */
export type OnProgress = (covalues: number, total: number) => void;

/**
 * Writes all CoValues of the store in `directory` to `file`, which must not exist; export-format.ts says how. The store
 * is only read, also while a Sprite writes to it. The file appears under its name once it is complete and synced.
 * @returns what the file holds
 * @throws SpriteSyncError
 */
export async function exportStore(
  directory: string,
  file: string,
  onProgress: OnProgress = () => {},
): Promise<ExportEnd> {
  if (existsSync(file)) {
    throw new SpriteSyncError("config-invalid", `${file} exists already. Remove it, or name another file.`);
  }
  const reader = await StoreReader.open(directory);
  const part = `${file}.part`;
  try {
    const counts = { messages: 0, transactions: 0 };
    const lines = Readable.from(exportLines(reader, counts, onProgress), { highWaterMark: 1 });
    await pipeline(lines, createGzip(), createWriteStream(part, { flush: true }));
    await rename(part, file);
    return endOf(reader, counts);
  } catch (error) {
    await rm(part, { force: true });
    throw error;
  } finally {
    await reader.close();
  }
}

interface Counts {
  messages: number;
  transactions: number;
}

async function* exportLines(
  reader: StoreReader,
  counts: Counts,
  onProgress: OnProgress,
): AsyncGenerator<string> {
  yield `${JSON.stringify(exportHead(reader.count))}\n`;
  for await (const message of reader.messages()) {
    counts.messages++;
    for (const { newTransactions } of Object.values(message.new)) {
      counts.transactions += newTransactions.length;
    }
    yield `${JSON.stringify(message)}\n`;
    onProgress(reader.covalues, reader.count);
  }
  yield `${JSON.stringify(endOf(reader, counts))}\n`;
}

function endOf(reader: StoreReader, counts: Counts): ExportEnd {
  return exportEnd({ covalues: reader.covalues, ...counts, damaged: reader.damaged });
}
