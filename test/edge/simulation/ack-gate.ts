import type { CoValueId } from "../../../shared/ids.ts";
import { covers, type Sync } from "./node-model.ts";
import type { Stores } from "./stores.ts";

interface Held {
  readonly claim: Sync;
  readonly number: number;
}

/** Lets what claims to be on disk leave only when it is: `sprite/ack.ts`. */
export class AckGate {
  readonly #stores: Stores;
  readonly #send: (message: Sync) => void;
  #undecided: Sync[] = [];
  readonly #held = new Map<CoValueId | "", Held[]>();

  constructor(stores: Stores, send: (message: Sync) => void) {
    this.#stores = stores;
    this.#send = send;
  }

  push(message: Sync): void {
    if (claims(message)) this.#undecided.push(message);
    else this.#send(message);
  }

  /** The node has done what it does in this run: what is stored because of it has begun. */
  decide(): void {
    for (const claim of this.#undecided.splice(0)) {
      const key = "values" in claim || claim.action === "reconcile-ack" ? "" : claim.id;
      const queue = this.#held.get(key);
      const held = { claim, number: this.#stores.last };
      if (queue) queue.push(held);
      else if (this.#isTrue(held)) this.#send(claim);
      else this.#held.set(key, [held]);
    }
  }

  release(key: CoValueId | ""): void {
    const queue = this.#held.get(key);
    for (let first = queue?.[0]; queue && first && this.#isTrue(first); first = queue[0]) {
      this.#send(first.claim);
      queue.shift();
    }
    if (queue?.length === 0) this.#held.delete(key);
  }

  #isTrue({ claim, number }: Held): boolean {
    if (claim.action === "reconcile-ack" || claim.action === "reconcile") return this.#stores.settled(number);
    if (this.#stores.settled(number, claim.id)) return true;
    return claim.action !== "content" && covers(this.#stores.get(claim.id), claim);
  }
}

function claims(message: Sync): boolean {
  if (message.action === "reconcile-ack") return true;
  if (message.action !== "known" && message.action !== "load") return false;
  return message.header || Object.keys(message.sessions).length > 0;
}
