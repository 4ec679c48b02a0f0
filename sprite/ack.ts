import type { SyncMessage } from "cojson";
import { isBehind, type KnownState } from "../shared/known-state.ts";
import type { StoreLedger, StoreNumber } from "./store-ledger.ts";

/**
 * What an outgoing message claims to be on disk here:
 * - `state`: the CoValue up to this state. A client takes a `known` for "stored", and it takes the state of a `load`
 *   and of a correction for the same (cojson 0.20.19 `handleLoad`, `handleCorrection`: `setKnownState`).
 * - `everything`: all that was stored before (a `reconcile-ack`).
 * - `nothing`.
 */
export type Claim =
  | { readonly kind: "nothing" }
  | { readonly kind: "state"; readonly id: string; readonly state: KnownState }
  | { readonly kind: "everything" };

const NOTHING: Claim = { kind: "nothing" };

export function claimOf(message: SyncMessage): Claim {
  if (message.action === "reconcile-ack") return { kind: "everything" };
  if (message.action !== "known" && message.action !== "load") return NOTHING;
  if (!message.header && Object.keys(message.sessions).length === 0) return NOTHING;
  return { kind: "state", id: message.id, state: message };
}

/**
 * Whether a claim is true by now.
 * @param number the last store that had begun when the claim was made.
 */
export function isTrue(
  claim: Claim,
  number: StoreNumber,
  ledger: Pick<StoreLedger, "settled" | "allSettled" | "durableState">,
): boolean {
  if (claim.kind === "nothing") return true;
  if (claim.kind === "everything") return ledger.allSettled(number);
  // All stores settled: everything in memory is on disk, and so is what a deleted CoValue's `known` over-claims.
  // Otherwise the state itself decides; it is on disk when only newer transactions are still pending.
  return ledger.settled(claim.id, number) || !isBehind(ledger.durableState(claim.id), claim.state);
}

interface Held {
  readonly message: SyncMessage;
  readonly claim: Claim;
  readonly number: StoreNumber;
}

/**
 * Holds back what one upstream must not hear yet.
 *
 * 1. A message that claims something leaves only when that is on disk; if it never gets there, it never leaves.
 * 2. Claims about one CoValue leave in the order they were made.
 * 3. Content and other messages are never held, so nothing waits for a slow disk but the claims about it.
 */
export class AckGate {
  private readonly ledger: StoreLedger;
  private readonly send: (message: SyncMessage) => void;
  private readonly stop: () => void;
  private undecided: { message: SyncMessage; claim: Claim }[] = [];
  /** By CoValue; `""` holds the reconcile-acks. */
  private readonly held = new Map<string, Held[]>();

  constructor(ledger: StoreLedger, send: (message: SyncMessage) => void) {
    this.ledger = ledger;
    this.send = send;
    this.stop = ledger.onSettled((id) => {
      this.release(id);
      this.release("");
    });
  }

  push(message: SyncMessage): void {
    const claim = claimOf(message);
    if (claim.kind === "nothing") {
      this.send(message);
      return;
    }
    // cojson sends the `known` first and calls `storage.store` later in the same run of the event loop's turn.
    if (this.undecided.length === 0) queueMicrotask(() => this.decide());
    this.undecided.push({ message, claim });
  }

  /** Forgets what is held. */
  close(): void {
    this.stop();
    this.undecided = [];
    this.held.clear();
  }

  private decide(): void {
    const { undecided } = this;
    this.undecided = [];
    const number = this.ledger.last;
    for (const { message, claim } of undecided) {
      const key = claim.kind === "state" ? claim.id : "";
      const queue = this.held.get(key);
      if (queue) queue.push({ message, claim, number });
      else if (isTrue(claim, number, this.ledger)) this.send(message);
      else this.held.set(key, [{ message, claim, number }]);
    }
  }

  private release(key: string): void {
    const queue = this.held.get(key);
    if (!queue) return;
    let released = 0;
    for (const { message, claim, number } of queue) {
      if (!isTrue(claim, number, this.ledger)) break;
      this.send(message);
      released++;
    }
    if (released === queue.length) this.held.delete(key);
    else queue.splice(0, released);
  }
}
