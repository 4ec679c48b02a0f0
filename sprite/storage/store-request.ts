import { type CojsonInternalTypes, cojsonInternals, emptyKnownState, logger, type RawCoID } from "cojson";
import type { CorrectionCallback } from "cojson/dist/storage/types.js";
import type { CommittedRows, WriteRequest } from "./committer.ts";
import { keys } from "./format.ts";
import { type CoValueRow, knownStateOf } from "./row.ts";
import type { Staging } from "./staging.ts";

type NewContentMessage = CojsonInternalTypes.NewContentMessage;

/** Rough bytes of a request without its transactions. */
const BARE_WEIGHT = 500;

export interface StoreRequestOptions {
  /** Whether cojson has said that the CoValue's deletion is valid. */
  readonly deleteIsValid: boolean;
  /** The content is durable, and this is the CoValue's row. */
  committed(row: CoValueRow | undefined): void;
}

/** One `StorageAPI.store`: a content message and the correction that it may need. */
export class StoreRequest implements WriteRequest {
  readonly id: RawCoID;
  weight: number;
  readonly #correct: CorrectionCallback;
  readonly #options: StoreRequestOptions;
  /** Undefined once shrunk: then the LocalNode, which still has the content, is asked for it like for a correction. */
  #message: NewContentMessage | undefined;

  constructor(message: NewContentMessage, correct: CorrectionCallback, options: StoreRequestOptions) {
    this.id = message.id;
    this.weight = BARE_WEIGHT + cojsonInternals.getContentMessageSize(message);
    this.#message = message;
    this.#correct = correct;
    this.#options = options;
  }

  async stage(staging: Staging): Promise<boolean> {
    if (this.#message === undefined) return this.#askForContent(staging);
    if (await this.#put(staging, this.#message)) return true;
    return this.#askForContent(staging);
  }

  committed(rows: CommittedRows): void {
    this.#options.committed(rows(this.id));
  }

  shrink(): void {
    this.#message = undefined;
    this.weight = BARE_WEIGHT;
  }

  /** @returns false when something before this message is missing. */
  async #put(staging: Staging, message: NewContentMessage): Promise<boolean> {
    const outcome = await staging.content(message);
    if (outcome !== "header") await this.#queueDeletion(staging, message);
    return outcome === "stored";
  }

  async #queueDeletion(staging: Staging, message: NewContentMessage): Promise<void> {
    const deletes = Object.keys(message.new).some(isDeleteCoSession);
    if (!deletes || !this.#options.deleteIsValid) return;
    const row = await staging.row(message.id);
    if (row?.erased !== true) staging.put(keys.pendingDelete(message.id), 0);
  }

  /** Asks the LocalNode for all that is missing, and stores it in the same batch. */
  async #askForContent(staging: Staging): Promise<boolean> {
    const correction = this.#correct(await this.#storedState(staging, this.id));
    if (correction === undefined) {
      logger.error("Correction callback returned undefined", await this.#correctionLog(staging, this.id));
      return false;
    }
    for (const message of correction) {
      if (await this.#put(staging, message)) continue;
      const { knownState } = await this.#correctionLog(staging, message.id);
      logger.error("Double correction requested", { knownState, msg: { id: message.id } });
      logger.error("Correction callback returned undefined", await this.#correctionLog(staging, message.id));
      return false;
    }
    return true;
  }

  async #correctionLog(staging: Staging, id: RawCoID) {
    return { knownState: await this.#storedState(staging, id), correction: null };
  }

  async #storedState(staging: Staging, id: RawCoID): Promise<CojsonInternalTypes.CoValueKnownState> {
    const row = await staging.row(id);
    return row === undefined ? emptyKnownState(id) : knownStateOf(row);
  }
}

/** A delete coSession's id ends in `$` (cojson/src/ids.ts). */
export function isDeleteCoSession(id: string): boolean {
  return id.endsWith("$");
}
