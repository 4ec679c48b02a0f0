import { errorMessage } from "../shared/control.ts";
import { SpriteSyncError } from "../shared/errors.ts";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import { LIMITS } from "../shared/limits.ts";
import type { ReconcileMessage } from "../shared/messages.ts";
import { bytesOf } from "./budget.ts";
import type { Remembered } from "./remembered.ts";

/** A batch in memory for each byte of its text: 112 characters an id, whose pair, part and look-up take 200 bytes. */
const PARSED = 3;

interface Batch {
  readonly id: string;
  /** The part of each home that has not acknowledged yet. */
  readonly parts: Map<GroupId, ReconcileMessage["values"]>;
  /** Homes whose upstream was lost since they got their part. */
  readonly lost: Set<GroupId>;
  /** Ids without a home: the client was asked to upload them, and their homes have not acknowledged yet. */
  readonly uploads: Set<CoValueId>;
  /** Gives back what was charged for the batch. */
  readonly done: () => void;
}

/**
 * The reconcile batches of one session: split by home, acknowledged to the client once, when every part is and every
 * upload that the edge asked for has been acknowledged by its new home (design §3.7).
 *
 * 1. At most {@link LIMITS.openReconciles} are open, so what each event walks through is a handful.
 */
export class Reconciles {
  readonly #batches = new Map<string, Batch>();
  /** Batches whose homes are being looked up. */
  readonly #announced = new Set<string>();
  readonly #toClient: (message: string) => void;
  readonly #remembered: Remembered;

  /**
   * @param toClient gets the acknowledgement of each batch once, when nothing of it is missing any more.
   * @param remembered for the batches
   */
  constructor(toClient: (message: string) => void, remembered: Remembered) {
    this.#toClient = toClient;
    this.#remembered = remembered;
  }

  /** @returns what gives the room for a batch back; `undefined`: there is none, and the client was told. */
  charge({ batch, values, text }: ReconcileMessage): (() => void) | undefined {
    // An empty one is acknowledged at once: a client asks with it how far the edge is.
    const bytes = values.length === 0 ? 0 : PARSED * bytesOf(text);
    if (this.#remembered.take(bytes)) return () => this.#remembered.give(bytes);
    this.#toClient(errorMessage(this.#remembered.refusal("a `reconcile` was refused"), batch));
    return undefined;
  }

  /**
   * A batch has come, which {@link begin} will take in or {@link forget} will not. An empty one is acknowledged at once.
   * @returns whether its homes have to be looked up.
   * @throws SpriteSyncError `overloaded` when too many are open. cojson sends one after the other.
   */
  announce({ batch, values }: ReconcileMessage): boolean {
    if (values.length === 0) {
      this.#toClient(ackMessage(batch));
      return false;
    }
    const isKnown = this.#batches.has(batch) || this.#announced.has(batch);
    if (isKnown || this.#batches.size + this.#announced.size >= LIMITS.openReconciles) {
      throw new SpriteSyncError(
        "overloaded",
        `a client may have ${LIMITS.openReconciles} reconcile batches open, each id once; wait until one is acknowledged`,
      );
    }
    this.#announced.add(batch);
    return true;
  }

  /** Its homes could not be looked up. */
  forget(batch: string): void {
    this.#announced.delete(batch);
  }

  /**
   * Takes a batch in.
   * @param done called once, when the batch is remembered no more
   * @returns what to send to each home, and the ids that the client has to upload because they have none.
   */
  begin(
    { batch, values, text }: ReconcileMessage,
    homes: ReadonlyMap<CoValueId, GroupId>,
    done: () => void,
  ): { readonly toHomes: Map<GroupId, string>; readonly uploads: ReadonlySet<CoValueId> } {
    const parts = new Map<GroupId, (readonly [CoValueId, string])[]>();
    const uploads = new Set<CoValueId>();
    for (const value of values) {
      const home = homes.get(value[0]);
      const part = home && parts.get(home);
      if (part) part.push(value);
      else if (home) parts.set(home, [value]);
      else uploads.add(value[0]);
    }
    this.#announced.delete(batch);
    const begun: Batch = { id: batch, parts, lost: new Set(), uploads, done };
    this.#batches.set(batch, begun);
    this.#finish(begun);
    const whole = parts.size === 1 && uploads.size === 0;
    const toHomes = new Map<GroupId, string>();
    for (const [home, part] of parts) toHomes.set(home, whole ? text : reconcileMessage(batch, part));
    return { toHomes, uploads: new Set(uploads) };
  }

  /** A home acknowledged its part. */
  acknowledged(batch: string, home: GroupId): void {
    const open = this.#batches.get(batch);
    if (open?.parts.delete(home)) this.#finish(open);
  }

  /** An id that the client was asked to upload is stored, or the client does not have it. */
  uploaded(id: CoValueId): void {
    for (const batch of this.#batches.values()) if (batch.uploads.delete(id)) this.#finish(batch);
  }

  /** The upstream of a home was lost, and with it perhaps its part or its acknowledgement. */
  lost(home: GroupId): void {
    for (const { parts, lost } of this.#batches.values()) if (parts.has(home)) lost.add(home);
  }

  /** The messages that a home which was attached again must get once more. */
  *unacknowledged(home: GroupId): Generator<string> {
    for (const [batch, { parts, lost }] of this.#batches) {
      const values = lost.delete(home) && parts.get(home);
      if (values) yield reconcileMessage(batch, values);
    }
  }

  get isIdle(): boolean {
    return this.#batches.size === 0 && this.#announced.size === 0;
  }

  /** Whether a home still owes an acknowledgement. */
  waitsFor(home: GroupId): boolean {
    for (const { parts } of this.#batches.values()) if (parts.has(home)) return true;
    return false;
  }

  #finish({ id, parts, uploads, done }: Batch): void {
    if (parts.size > 0 || uploads.size > 0) return;
    this.#batches.delete(id);
    done();
    this.#toClient(ackMessage(id));
  }
}

/** A part of a batch, under the batch's own id. */
function reconcileMessage(batch: string, values: ReconcileMessage["values"]): string {
  return JSON.stringify({ action: "reconcile", id: batch, values });
}

function ackMessage(id: string): string {
  return JSON.stringify({ action: "reconcile-ack", id });
}
