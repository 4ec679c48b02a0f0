import { readdirSync, statSync } from "node:fs";
import { type CojsonInternalTypes, cojsonInternals } from "cojson";
import { SpriteSyncError } from "../../shared/errors.ts";
import type { Committer } from "./committer.ts";
import { checkContent } from "./content-check.ts";
import type { OnProgress } from "./export.ts";
import type { ImportSource } from "./import-source.ts";
import { openEngine } from "./open-storage.ts";
import type { CoValueRow } from "./row.ts";
import type { Staging } from "./staging.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;

export interface ImportReport {
  /** CoValues that were not in the store before. */
  readonly newCoValues: number;
  /** Transactions that were not in the store before. */
  readonly newTransactions: number;
  /** Messages that were read, refused ones too. */
  readonly messages: number;
  /** Messages left out because their CoValue is deleted and erased in the store. */
  readonly erased: number;
  /** Messages that were refused, and all that the source lacks; each was told to `onRefused`. */
  readonly refused: number;
}

export interface ImportOptions {
  onProgress?: OnProgress;
  /** What is not imported, and why. No content in it. */
  onRefused?: (reason: string) => void;
}

/** Messages and rough bytes of memory of them that may wait for the disk. */
const WAITING_MESSAGES = 512;
const WAITING_BYTES = 4 * 1024 * 1024;
/** Rough bytes of a message and of a transaction, besides their content. */
const MESSAGE_BYTES = 1_000;
const TRANSACTION_BYTES = 300;
/** A CoValue's messages follow each other, so few rows are needed a second time. */
const ROW_CACHE_BYTES = 2 * 1024 * 1024;

/**
 * Adds what `source` has to the store in `directory`, which is made when it is missing. What is there already stays as
 * it is, so the same import twice changes nothing. Resolves when all of it is durable.
 * @throws SpriteSyncError when the store is in use, cannot be opened, or its disk fails; what was imported until then
 *   stays, and the import may be run again.
 */
export async function importInto(
  directory: string,
  source: ImportSource,
  { onProgress = () => {}, onRefused = () => {} }: ImportOptions = {},
): Promise<ImportReport> {
  refuseForeignDirectory(directory);
  const engine = await openEngine(directory, { rowCacheBytes: ROW_CACHE_BYTES });
  try {
    const before = engine.committer.count;
    const run = new ImportRun(engine.committer, onRefused);
    for await (const { where, value } of source.items()) {
      await run.add(where, value);
      onProgress(Math.min(run.covalues, source.covalues), source.covalues);
    }
    await run.finish();
    for (const problem of source.problems()) run.refuse(problem);
    return { newCoValues: engine.committer.count - before, ...run.counts };
  } finally {
    await engine.close();
  }
}

/** One import: at most {@link WAITING_BYTES} of it wait for the disk. */
class ImportRun {
  readonly counts = { newTransactions: 0, messages: 0, erased: 0, refused: 0 };
  readonly #committer: Committer;
  readonly #onRefused: (reason: string) => void;
  /** CoValues read so far; one whose messages are not in a row counts more than once. */
  covalues = 0;
  #lastId: string | undefined;
  readonly #waiting: { readonly written: Promise<void>; readonly bytes: number }[] = [];
  #waitingBytes = 0;

  constructor(committer: Committer, onRefused: (reason: string) => void) {
    this.#committer = committer;
    this.#onRefused = onRefused;
  }

  async add(where: string, value: unknown): Promise<void> {
    this.counts.messages++;
    const checked = checkContent(value);
    if ("refused" in checked) {
      const id = checked.id === undefined || checked.id === where ? "" : ` (${checked.id})`;
      this.refuse(`${where}${id} ${value === undefined ? "cannot be read" : checked.refused}`);
      return;
    }
    const { message } = checked;
    if (message.id !== this.#lastId) this.covalues++;
    this.#lastId = message.id;
    const bytes = memoryOf(message);
    const written = this.#write(where, message, bytes);
    // It is awaited later; until then a rejection must not count as unhandled.
    written.catch(() => undefined);
    this.#waiting.push({ written, bytes });
    this.#waitingBytes += bytes;
    while (this.#waitingBytes > WAITING_BYTES || this.#waiting.length > WAITING_MESSAGES) await this.#next();
  }

  async finish(): Promise<void> {
    while (this.#waiting.length > 0) await this.#next();
  }

  refuse(reason: string): void {
    this.counts.refused++;
    this.#onRefused(reason);
  }

  async #next(): Promise<void> {
    const next = this.#waiting.shift();
    if (next === undefined) return;
    await next.written;
    this.#waitingBytes -= next.bytes;
  }

  async #write(where: string, message: NewContentMessage, bytes: number): Promise<void> {
    const { outcome, added } = await writeContent(this.#committer, message, bytes);
    this.counts.newTransactions += added;
    if (outcome === "erased") this.counts.erased++;
    const what = where === message.id ? where : `${where} (${message.id})`;
    if (outcome === "header") this.refuse(`${what} has no header, and the store does not have it`);
    if (outcome === "gap") this.refuse(`${what} goes on after transactions that are missing`);
    if (outcome === "damaged") this.refuse(`${what} is damaged in the store; audit names what is wrong`);
  }
}

function memoryOf(message: NewContentMessage): number {
  const contents = Object.values(message.new);
  const transactions = contents.reduce((sum, { newTransactions }) => sum + newTransactions.length, 0);
  const content = cojsonInternals.getContentMessageSize(message);
  return MESSAGE_BYTES + transactions * TRANSACTION_BYTES + content;
}

interface Written {
  readonly outcome: "stored" | "header" | "gap" | "erased" | "damaged";
  readonly added: number;
}

/** Rejects when the disk fails: an import is run again rather than waited for. */
function writeContent(committer: Committer, message: NewContentMessage, bytes: number): Promise<Written> {
  return new Promise((resolve, reject) => {
    let written: Written = { outcome: "damaged", added: 0 };
    committer.enqueue({
      id: message.id,
      weight: bytes,
      optional: true,
      stage: async (staging) => {
        try {
          written = await stage(staging, message);
          return true;
        } catch {
          resolve({ outcome: "damaged", added: 0 });
          return false;
        }
      },
      committed: () => resolve(written),
      dropped: () => reject(diskError(committer)),
    });
  });
}

async function stage(staging: Staging, message: NewContentMessage): Promise<Written> {
  const row = await staging.row(message.id);
  // Its history is gone for good; an older export must not bring it back.
  if (row?.erased) return { outcome: "erased", added: 0 };
  const outcome = await staging.content(message);
  const added = transactionsOf(await staging.row(message.id)) - transactionsOf(row);
  return { outcome, added };
}

function transactionsOf(row: CoValueRow | undefined): number {
  return row?.coSessions.reduce((sum, { count }) => sum + count, 0) ?? 0;
}

function diskError({ state }: Committer): SpriteSyncError {
  const cause = state.kind === "failed" ? state.error : undefined;
  const what = "The disk did not take all of the import. Run it again once it does.";
  return new SpriteSyncError("storage-failed", what, { cause });
}

/** Arguments in the wrong order must not make a store among somebody's files. */
function refuseForeignDirectory(directory: string): void {
  const found = statSync(directory, { throwIfNoEntry: false });
  if (found === undefined) return;
  if (!found.isDirectory()) {
    throw new SpriteSyncError("config-invalid", `${directory} is not a directory.`);
  }
  const names = readdirSync(directory);
  if (names.length === 0 || names.includes("db")) return;
  throw new SpriteSyncError("config-invalid", `${directory} is not empty, and what is in it is no store.`);
}
