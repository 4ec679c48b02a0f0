import { isDeepStrictEqual } from "node:util";
import { SpriteSyncError } from "../../../shared/errors.ts";
import type { Engine } from "../engine.ts";
import type { OnProgress } from "../export.ts";
import type { Journal } from "../journal.ts";
import {
  type BackupRecord,
  encodeRecord,
  newRecord,
  type Segment,
  type StoreState,
} from "./backup-record.ts";
import {
  chooseGeneration,
  type FullReason,
  interruptedGeneration,
  segmentsToKeep,
} from "./generation-choice.ts";
import { hashOf, newGeneration, recordKey, segmentKey, storeIdOf } from "./layout.ts";
import type { BackupPlace } from "./place.ts";
import { backupsOf, type FoundStore, indexPlace, readRecord } from "./place-index.ts";
import { type PruneReport, prune } from "./prune.ts";
import { SEGMENT_BYTES } from "./segment.ts";
import { Shipper } from "./shipper.ts";
import { momentOf, type StoreMoment } from "./store-state.ts";

const DAY_MS = 24 * 60 * 60 * 1000;
/** What was erased stays in the place until a full copy without it has replaced the generation. */
const FULL_AFTER_DAYS = 7;

export interface BackupOptions {
  /** Begins a new generation. */
  full?: boolean;
  /** Age of a generation in days after which a new one is begun. Default 7. */
  fullAfterDays?: number;
  /** Generations whose last backup is older than so many days are removed. Default: none is. */
  keepDays?: number;
  /** Bytes of content in one object at most, before it is compressed; a larger message has one of its own. Default 8 MiB. */
  segmentBytes?: number;
  /** Called with blocks of the log shipped and to ship. */
  onProgress?: OnProgress;
  /** The clock. */
  now?: () => Date;
}

export interface BackupReport {
  /** ISO 8601: what `restore --at` takes to get this backup. */
  readonly at: string;
  readonly store: string;
  readonly generation: string;
  /** Why this is a full copy; absent when it is not. */
  readonly full?: FullReason;
  /** False when the last backup has everything already: then none was made. */
  readonly made: boolean;
  readonly covalues: number;
  /** Messages in all segments that the backup needs. */
  readonly messages: number;
  /** Messages that could not be read from the store, and are missing in the backup. */
  readonly damaged: number;
  readonly objectsWritten: number;
  readonly bytesWritten: number;
  readonly pruned: PruneReport;
}

/**
 * Backs a store up: all that was acknowledged before the call, and for a store that is written to meanwhile perhaps more.
 * The backup exists once its record is written, which comes last. Whatever fails before leaves objects that the next call
 * uses, or that are pruned.
 * @param engine a read-only one of a view, or the writer's own
 * @throws SpriteSyncError the place's errors; `config-invalid` when a newer program writes to the same place
 */
export async function backUp(
  engine: Engine,
  place: BackupPlace,
  options: BackupOptions = {},
): Promise<BackupReport> {
  const { journal } = engine;
  const moment = await momentOf(journal);
  const store = storeIdOf(journal.key);
  const [found] = await indexPlace(place, `${store}/`);
  const last = await lastBackup(place, found);
  return new BackupRun(journal, place, options, { moment, store, found, last }).run();
}

interface Situation {
  readonly moment: StoreMoment;
  readonly store: string;
  readonly found: FoundStore | undefined;
  readonly last: BackupRecord | "unreadable" | undefined;
}

class BackupRun {
  readonly #journal: Journal;
  readonly #place: BackupPlace;
  readonly #options: BackupOptions;
  readonly #situation: Situation;
  readonly #now: Date;
  readonly #fullAfterMs: number;
  readonly #segmentBytes: number;

  constructor(journal: Journal, place: BackupPlace, options: BackupOptions, situation: Situation) {
    this.#journal = journal;
    this.#place = place;
    this.#options = options;
    this.#situation = situation;
    this.#now = (options.now ?? (() => new Date()))();
    this.#segmentBytes = options.segmentBytes ?? SEGMENT_BYTES;
    this.#fullAfterMs = (options.fullAfterDays ?? FULL_AFTER_DAYS) * DAY_MS;
  }

  async run(): Promise<BackupReport> {
    const { found, last, moment } = this.#situation;
    const choice = chooseGeneration({
      store: found,
      last,
      continues: await this.#continues(last),
      full: this.#options.full === true,
      fullAfterMs: this.#fullAfterMs,
      now: this.#now,
    });
    const continued = "continued" in choice ? choice.continued : undefined;
    const generation = continued?.generation ?? this.#newGeneration();
    const shipper = this.#shipper(generation);
    const segments =
      continued === undefined ? await shipper.shipRest(0) : await this.#segmentsAfter(continued, shipper);
    const unchanged =
      continued !== undefined &&
      isDeepStrictEqual(continued.segments, segments) &&
      isDeepStrictEqual(continued.state, moment.state);
    const record = unchanged ? continued : await this.#record(generation, segments, shipper.end);
    if (!unchanged) await this.#putRecord(record);
    const pruned = await this.#prune(record);
    return {
      at: record.at,
      store: record.store,
      generation,
      ...("reason" in choice ? { full: choice.reason } : {}),
      made: !unchanged,
      covalues: record.covalues,
      messages: sumOf(segments, "messages"),
      damaged: sumOf(segments, "damaged"),
      objectsWritten: shipper.objectsWritten,
      bytesWritten: shipper.bytesWritten,
      pruned,
    };
  }

  async #continues(last: Situation["last"]): Promise<boolean> {
    if (last === undefined || last === "unreadable") return false;
    const { length, treeHash } = last.log;
    if (treeHash === null || length > this.#situation.moment.length) return false;
    return (await treeHashOf(this.#journal, length)) === treeHash;
  }

  #newGeneration(): string {
    const { found, last } = this.#situation;
    const lastAt = last === undefined || last === "unreadable" ? undefined : new Date(last.at);
    const interrupted = interruptedGeneration(found, lastAt, this.#fullAfterMs, this.#now);
    return interrupted?.id ?? newGeneration(this.#time());
  }

  #shipper(generation: string): Shipper {
    const { found, moment, store } = this.#situation;
    const present =
      found?.generations.find(({ id }) => id === generation)?.segments ?? new Map<string, number>();
    const { onProgress = () => {} } = this.#options;
    return new Shipper({
      place: this.#place,
      journal: this.#journal,
      moment,
      store,
      generation,
      present,
      segmentBytes: this.#segmentBytes,
      onProgress,
    });
  }

  /** The segments of the last backup, those that must be written anew, and what is new. */
  async #segmentsAfter({ segments, log }: BackupRecord, shipper: Shipper): Promise<Segment[]> {
    const kept = await this.#healed(segments, shipper);
    if (shipper.end === log.length) return kept;
    const keep = segmentsToKeep(kept, this.#journal.bytes - log.bytes, this.#segmentBytes);
    const start = kept[keep]?.start ?? log.length;
    const joined = await shipper.shipRest(start);
    const lost = sumOf(joined, "damaged") > 0 && start < log.length;
    // What the place has is better than what the store has now.
    return lost ? [...kept, ...(await shipper.shipRest(log.length))] : [...kept.slice(0, keep), ...joined];
  }

  /** A message that could not be read may be readable by now: it was written anew, or the trouble has passed. */
  async #healed(segments: readonly Segment[], shipper: Shipper): Promise<Segment[]> {
    const healed: Segment[] = [];
    for (const segment of segments) {
      const again = segment.damaged > 0 ? await shipper.shipAgain(segment) : [];
      const better = sumOf(again, "messages") > segment.messages;
      healed.push(...(better ? again : [segment]));
    }
    return healed;
  }

  async #record(generation: string, segments: readonly Segment[], length: number): Promise<BackupRecord> {
    const { moment, store } = this.#situation;
    return newRecord({
      store,
      generation,
      at: this.#time().toISOString(),
      log: {
        length,
        bytes: this.#journal.bytes,
        treeHash: (await treeHashOf(this.#journal, length)) ?? null,
      },
      covalues: moment.covalues,
      segments: [...segments],
      state: length > moment.length ? await this.#laterState() : moment.state,
    });
  }

  /** The log has grown meanwhile: what became pending in the part that was added belongs to it. */
  async #laterState(): Promise<StoreState> {
    const { state: before } = this.#situation.moment;
    const { state } = await momentOf(this.#journal);
    // What was erased meanwhile may have its tombstone after the end; erasing it once more does no harm.
    const pending = new Set([...before.pendingDeletions, ...state.pendingDeletions]);
    return { ...state, pendingDeletions: [...pending] };
  }

  async #putRecord(record: BackupRecord): Promise<void> {
    const { store, generation, at, segments } = record;
    const bytes = encodeRecord(record);
    const key = recordKey(store, generation, new Date(at), hashOf(bytes));
    await this.#place.put(key, bytes);
    // Another process may have pruned the generation meanwhile.
    const present = new Map<string, number>();
    for await (const object of this.#place.list(`${store}/${generation}/segments/`)) {
      present.set(object.key, object.bytes);
    }
    if (segments.every((segment) => present.get(segmentKey(store, generation, segment)) === segment.stored))
      return;
    await this.#place.delete(key);
    const what = `Parts of the backup were removed from ${this.#place.name} while it was made. Make it again.`;
    throw new SpriteSyncError("transient", what);
  }

  /** While the store is damaged, older generations may have what it has lost. */
  async #prune({ generation, segments }: BackupRecord): Promise<PruneReport> {
    const { found } = this.#situation;
    const { keepDays } = this.#options;
    if (keepDays === undefined || found === undefined || sumOf(segments, "damaged") > 0) {
      return { generations: 0, objects: 0 };
    }
    const before = new Date(this.#now.getTime() - keepDays * DAY_MS);
    return prune(this.#place, found, generation, before);
  }

  /** Later than all backups there are, whatever the clock did. */
  #time(): Date {
    const { found } = this.#situation;
    const last = found === undefined ? undefined : backupsOf(found).at(-1)?.at;
    return new Date(Math.max(this.#now.getTime(), (last?.getTime() ?? 0) + 1));
  }
}

async function lastBackup(place: BackupPlace, found: FoundStore | undefined): Promise<Situation["last"]> {
  const last = found === undefined ? undefined : backupsOf(found).at(-1);
  if (last === undefined) return undefined;
  const record = await readRecord(place, last.key);
  return "wrong" in record ? "unreadable" : record;
}

async function treeHashOf(journal: Journal, length: number): Promise<string | undefined> {
  try {
    return (await journal.treeHash(length)).toString("hex");
  } catch {
    // A damaged tree takes no writes either, but its blocks can be saved.
    return undefined;
  }
}

function sumOf(segments: readonly Segment[], field: "messages" | "damaged"): number {
  return segments.reduce((sum, segment) => sum + segment[field], 0);
}
