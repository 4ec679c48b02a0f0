import { randomBytes } from "node:crypto";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { basename, dirname, join, resolve } from "node:path";
import { SpriteSyncError } from "../../../shared/errors.ts";
import { DamagedBlockError, decodeBlock } from "../block.ts";
import type { OnProgress } from "../export.ts";
import { openEngine } from "../open-storage.ts";
import { removeAbandoned } from "../store-view.ts";
import type { BackupRecord, Segment } from "./backup-record.ts";
import { syncPath, syncTree } from "./durable-files.ts";
import { segmentKey } from "./layout.ts";
import type { BackupPlace } from "./place.ts";
import { backupsOf, type FoundBackup, readRecord, storeIn } from "./place-index.ts";
import { Replay } from "./replay.ts";
import { checkRestored } from "./restored-check.ts";
import { decodeSegment, type SegmentMessage } from "./segment.ts";

export interface RestoreOptions {
  /** The last backup at or before this time. Default: the newest. */
  at?: Date;
  /** Beginning of the store's name in the place; needed only when the place has several. */
  store?: string;
  /** Called with blocks of the log restored and to restore. */
  onProgress?: OnProgress;
}

export interface RestoreReport {
  /** ISO 8601: when the backup was made. */
  readonly at: string;
  readonly store: string;
  readonly generation: string;
  readonly covalues: number;
  /** Messages in the restored log. */
  readonly messages: number;
  /** Messages of erased CoValues, and others that nothing could be served of, which the restored log does not have. */
  readonly leftOut: number;
  /** Messages that the store had lost when it was backed up. Clients are asked for what is missing. */
  readonly damaged: number;
}

/**
 * Makes a store from a backup, in `directory`, which must be missing or empty. It appears there once it is complete,
 * checked and synced.
 * @throws SpriteSyncError `config-invalid` when there is no such backup, or the directory is not empty; `storage-failed`
 *   when the backup is damaged, naming the object; the place's errors
 */
export async function restoreBackup(
  place: BackupPlace,
  directory: string,
  options: RestoreOptions = {},
): Promise<RestoreReport> {
  await refuseUsed(directory);
  const { key } = await choose(place, options);
  const record = await readRecord(place, key);
  if ("wrong" in record) throw damaged(place, key, record.wrong);
  const parent = dirname(resolve(directory));
  const prefix = `${basename(resolve(directory))}.restoring-`;
  const part = join(parent, `${prefix}${process.pid}-${randomBytes(4).toString("hex")}`);
  await mkdir(parent, { recursive: true });
  await removeAbandoned(parent, prefix);
  try {
    const report = await restoreInto(part, place, record, options.onProgress ?? (() => {}));
    await syncTree(part);
    await rename(part, directory);
    await syncPath(parent);
    return report;
  } catch (error) {
    await rm(part, { recursive: true, force: true });
    throw error;
  }
}

/** A time as a command takes it. @throws SpriteSyncError `config-invalid` */
export function parseTime(text: string): Date {
  const time = new Date(text);
  // Anything else that Date takes would be read in this machine's time zone, or as something nobody meant.
  if (
    /^\d{4}-\d\d-\d\d(T\d\d:\d\d(:\d\d(\.\d+)?)?(Z|[+-]\d\d:\d\d))?$/.test(text) &&
    !Number.isNaN(time.getTime())
  )
    return time;
  const what = `"${text}" is no time. Use ISO 8601 with a zone: 2026-01-31T18:00:00Z.`;
  throw new SpriteSyncError("config-invalid", what);
}

async function restoreInto(
  part: string,
  place: BackupPlace,
  record: BackupRecord,
  onProgress: OnProgress,
): Promise<RestoreReport> {
  const replay = await replayInto(part, place, record, onProgress);
  // Opened once more, as a Sprite will: with what was written, and nothing from memory.
  const engine = await openEngine(part, { durability: "flush" });
  try {
    await engine.eraser.sweep();
    // What was erased must not be in the files either.
    if (replay.garbage > 0) await engine.journal.compact();
    const problems = await checkRestored(engine, replay);
    if (problems.length > 0) {
      const what = `The restored store is not what the backup says: ${problems.slice(0, 3).join("; ")}. Nothing was restored; name an earlier time.`;
      throw new SpriteSyncError("storage-failed", what);
    }
    await engine.journal.flushTables();
  } finally {
    await engine.close();
  }
  const { at, store, generation, segments } = record;
  return {
    at,
    store,
    generation,
    covalues: replay.covalues,
    messages: replay.messages,
    leftOut: replay.skipped + replay.garbage,
    damaged: segments.reduce((sum, segment) => sum + segment.damaged, 0),
  };
}

async function replayInto(
  part: string,
  place: BackupPlace,
  record: BackupRecord,
  onProgress: OnProgress,
): Promise<Replay> {
  const { store, generation, segments, state, log } = record;
  const engine = await openEngine(part, { durability: "flush" });
  try {
    const replay = new Replay(engine);
    for (const segment of segments) {
      const key = segmentKey(store, generation, segment);
      for (const { bytes } of await messagesOf(place, key, segment)) {
        await replay.add(decode(place, key, bytes), bytes);
      }
      onProgress(segment.end, log.length);
    }
    await replay.finish(state);
    return replay;
  } finally {
    await engine.close();
  }
}

async function messagesOf(place: BackupPlace, key: string, segment: Segment): Promise<SegmentMessage[]> {
  const object = await place.get(key);
  if (object === undefined) throw damaged(place, key, "is missing");
  const decoded = await decodeSegment(object, segment);
  if ("wrong" in decoded) throw damaged(place, key, `is damaged (${decoded.wrong})`);
  return decoded.messages;
}

function decode(place: BackupPlace, key: string, bytes: Buffer) {
  try {
    return decodeBlock(bytes);
  } catch (error) {
    const reason = error instanceof DamagedBlockError ? error.message : "a message is not readable as one";
    throw damaged(place, key, `is damaged (${reason})`);
  }
}

async function choose(place: BackupPlace, { at, store }: RestoreOptions): Promise<FoundBackup> {
  const found = await storeIn(place, store);
  const backups = backupsOf(found);
  const chosen = backups.findLast((backup) => at === undefined || backup.at <= at);
  if (chosen !== undefined) return chosen;
  const what = `${place.name} has no backup from ${at?.toISOString()} or before; the first one is from ${backups[0]?.at.toISOString()}.`;
  throw new SpriteSyncError("config-invalid", what);
}

async function refuseUsed(directory: string): Promise<void> {
  try {
    if ((await readdir(directory)).length === 0) return;
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === "ENOENT") return;
    if (code !== "ENOTDIR") throw error;
  }
  const what = `${directory} is not an empty directory. Restore into a new one, then put it in place.`;
  throw new SpriteSyncError("config-invalid", what);
}

function damaged(place: BackupPlace, key: string, what: string): SpriteSyncError {
  const text = `${key} in ${place.name} ${what}. Nothing was restored; name an earlier time to use an earlier backup.`;
  return new SpriteSyncError("storage-failed", text);
}
