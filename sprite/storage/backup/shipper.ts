import type { OnProgress } from "../export.ts";
import type { Journal } from "../journal.ts";
import type { Segment } from "./backup-record.ts";
import { segmentKey } from "./layout.ts";
import { logMessages } from "./log-messages.ts";
import type { BackupPlace } from "./place.ts";
import { SegmentBuilder } from "./segment.ts";
import type { StoreMoment } from "./store-state.ts";

export interface ShipperDeps {
  readonly place: BackupPlace;
  readonly journal: Journal;
  readonly moment: StoreMoment;
  readonly store: string;
  readonly generation: string;
  /** Bytes of what is in the place, by key: an interrupted backup, or another process, was here before. */
  readonly present: ReadonlyMap<string, number>;
  /** Content of one segment at most. */
  readonly segmentBytes: number;
  readonly onProgress: OnProgress;
}

/** Puts ranges of the log into a place, as segments. In memory are one segment and one read of the log. */
export class Shipper {
  readonly #deps: ShipperDeps;
  #end: number;
  /** Bytes of the objects that had to be written. */
  bytesWritten = 0;
  objectsWritten = 0;

  constructor(deps: ShipperDeps) {
    this.#deps = deps;
    this.#end = deps.moment.length;
  }

  /**
   * Blocks of the log that are covered. It grows while a store is read that erases meanwhile: where a block is cleared,
   * the tombstone that replaced it must be in the backup as well.
   */
  get end(): number {
    return this.#end;
  }

  /** The log from block `start` to its end. */
  shipRest(start: number): Promise<Segment[]> {
    return this.#ship(start, () => this.#end);
  }

  /** The same blocks once more, because some could not be read. */
  shipAgain({ start, end }: Segment): Promise<Segment[]> {
    return this.#ship(start, () => end);
  }

  async #ship(start: number, end: () => number): Promise<Segment[]> {
    const { journal, moment, segmentBytes, onProgress } = this.#deps;
    const segments: Segment[] = [];
    let builder = new SegmentBuilder(start, segmentBytes);
    for await (const item of logMessages(journal, start, end)) {
      if (item.kind === "gap") this.#end = Math.max(this.#end, journal.length);
      if (item.kind === "damaged") builder.addDamaged();
      if (item.kind !== "message" || moment.garbage.has(item.seq)) continue;
      if (builder.isFullFor(item)) {
        segments.push(await this.#put(builder, item.seq));
        builder = new SegmentBuilder(item.seq, segmentBytes);
      }
      builder.add(item);
      onProgress(item.seq - start, end() - start);
    }
    if (end() > builder.start) segments.push(await this.#put(builder, end()));
    onProgress(end() - start, end() - start);
    return segments;
  }

  async #put(builder: SegmentBuilder, end: number): Promise<Segment> {
    const { place, store, generation, present } = this.#deps;
    const { segment, object } = await builder.finish(end);
    const key = segmentKey(store, generation, segment);
    if (present.get(key) !== object.length) {
      await place.put(key, object);
      this.bytesWritten += object.length;
      this.objectsWritten++;
    }
    return segment;
  }
}
