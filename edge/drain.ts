import { LIMITS } from "../shared/limits.ts";

/**
 * The key in KV that an operator writes: `<before> <spread>`. Sessions that began before `before` (seconds since 1970) go,
 * spread over `spread` seconds behind it (300 without it).
 */
export const DRAIN_KEY = "drain";

/** Sessions that began before `before` go until `before + spread` (ms). */
export interface DrainNote {
  readonly before: number;
  readonly spread: number;
}

const NONE: DrainNote = { before: 0, spread: LIMITS.drainSpreadMs };

/** @returns what an operator's note says; one that cannot be read says nothing. */
export function readDrainNote(text: string | null): DrainNote {
  const [, before, spread] = /^\s*(\d{1,12})(?:\s+(\d{1,6}))?\s*$/.exec(text ?? "") ?? [];
  if (!before) return NONE;
  return { before: Number(before) * 1_000, spread: spread ? Number(spread) * 1_000 : LIMITS.drainSpreadMs };
}

/** As much of KV as is read here. */
export interface DrainNotes {
  get(key: string, options: { cacheTtl: number }): Promise<string | null>;
}

/**
 * Which sessions are drained, as the operator noted it; shared by all sessions of an isolate, so that it costs one
 * read of KV a minute for each isolate, and none for each session.
 */
export class Drain {
  #note = NONE;
  #readAt = 0;

  /** The last note. Looks again now and then; what it finds counts from the next call on. */
  note(now: number, notes: () => DrainNotes): DrainNote {
    if (now - this.#readAt >= LIMITS.drainReadMs) {
      this.#readAt = now;
      void this.#read(notes());
    }
    return this.#note;
  }

  async #read(notes: DrainNotes): Promise<void> {
    try {
      this.#note = readDrainNote(await notes.get(DRAIN_KEY, { cacheTtl: LIMITS.kvCacheTtlSeconds }));
    } catch {
      // KV is not reachable: the next read comes in a minute.
    }
  }
}

export const isolateDrain = new Drain();
