import type { BackupRecord } from "./backup-record.ts";
import { segmentKey, startOf } from "./layout.ts";
import type { FoundGeneration, FoundStore } from "./place-index.ts";

/** Why a backup begins a new generation, with a full copy. */
export type FullReason =
  | "first"
  | "asked"
  /** The log is not a continuation of the one that was backed up. */
  | "other-log"
  /** Something of the last backup is missing or damaged in the place. */
  | "incomplete"
  | "old";

/** What is known when a generation is chosen. */
export interface ChoiceInput {
  readonly store: FoundStore | undefined;
  /** The last backup, or that it cannot be read; `undefined` when there is none. */
  readonly last: BackupRecord | "unreadable" | undefined;
  /** Whether the log begins with what `last` covers. */
  readonly continues: boolean;
  readonly full: boolean;
  readonly fullAfterMs: number;
  readonly now: Date;
}

/** Decides without looking at a place or a store. @returns the backup that is continued, or why none is */
export function chooseGeneration({
  store,
  last,
  continues,
  full,
  fullAfterMs,
  now,
}: ChoiceInput): { readonly continued: BackupRecord } | { readonly reason: FullReason } {
  if (last === undefined) return { reason: "first" };
  if (last === "unreadable") return { reason: "incomplete" };
  if (!continues) return { reason: "other-log" };
  const generation = store?.generations.find(({ id }) => id === last.generation);
  const whole = last.segments.every(
    (segment) =>
      generation?.segments.get(segmentKey(last.store, last.generation, segment)) === segment.stored,
  );
  if (!whole) return { reason: "incomplete" };
  if (full) return { reason: "asked" };
  if (now.getTime() - startOf(last.generation).getTime() > fullAfterMs) return { reason: "old" };
  return { continued: last };
}

/** A generation that was begun after the last backup and has none: its objects can be used by another attempt. */
export function interruptedGeneration(
  store: FoundStore | undefined,
  lastAt: Date | undefined,
  fullAfterMs: number,
  now: Date,
): FoundGeneration | undefined {
  const generation = store?.generations.at(-1);
  if (generation === undefined || generation.backups.length > 0) return undefined;
  const startedAt = startOf(generation.id).getTime();
  const young = now.getTime() - startedAt <= fullAfterMs;
  return young && startedAt > (lastAt?.getTime() ?? 0) ? generation : undefined;
}

/** Segments up to this size are always joined with the next: an object costs as much as so many bytes. */
const SMALL_BYTES = 64 * 1024;

/**
 * How many of the segments stay as they are. The last ones are written anew together with what is new as long as each has
 * at most as much as what follows it: so a generation of n bytes has some log n small segments, and each byte is
 * written some log n times, however many backups there are.
 */
export function segmentsToKeep(
  segments: readonly { readonly bytes: number }[],
  newBytes: number,
  limit: number,
): number {
  let joined = Math.max(newBytes, SMALL_BYTES);
  let keep = segments.length;
  for (; keep > 0; keep--) {
    const { bytes = 0 } = segments[keep - 1] ?? {};
    if (bytes > joined || joined + bytes > limit) break;
    joined += bytes;
  }
  return keep;
}
