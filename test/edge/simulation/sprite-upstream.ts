import { AckGate } from "./ack-gate.ts";
import { Admission, type AdmissionDeps } from "./admission.ts";
import type { End } from "./network.ts";
import { PeerModel, type Sync } from "./node-model.ts";
import { Outgoing } from "./outgoing.ts";
import type { Stores } from "./stores.ts";

export interface SpriteUpstreamDeps extends Omit<AdmissionDeps, "peer" | "reply"> {
  readonly end: End;
  readonly now: () => number;
  readonly stores: Stores;
  readonly onActivity: () => void;
}

/** One socket as one peer of the node: `sprite/upstream.ts`. */
export class SpriteUpstream {
  readonly end: End;
  readonly peer: PeerModel;
  readonly outgoing: Outgoing;
  readonly gate: AckGate;
  readonly #deps: SpriteUpstreamDeps;
  readonly #admission: Admission;

  constructor(deps: SpriteUpstreamDeps) {
    this.#deps = deps;
    this.end = deps.end;
    const { now, later, end } = deps;
    this.outgoing = new Outgoing({ now, later, send: (frame) => end.send(frame) });
    this.gate = new AckGate(deps.stores, (message) => this.outgoing.push(message));
    this.peer = new PeerModel("client", (message) => {
      deps.onActivity();
      this.gate.push(message);
    });
    const reply = (message: object) => this.outgoing.pushText(JSON.stringify(message));
    this.#admission = new Admission({ ...deps, peer: this.peer, reply });
  }

  get isQuiet(): boolean {
    return this.#admission.isIdle && this.outgoing.isEmpty;
  }

  receive(data: string): void {
    for (const text of data.split("\n")) {
      const message: Sync | { readonly action: undefined } = JSON.parse(text);
      // What others see of a new value, and when, is not played here.
      if (message.action === undefined) continue;
      this.#deps.onActivity();
      if (message.action === "reconcile") this.#deps.node.reconcile(this.peer, message);
      else if (message.action !== "reconcile-ack") this.#admission.admit(message);
    }
  }

  /** What the node said in this run is on its way, or waits for the disk. */
  flush(): void {
    this.gate.decide();
    this.outgoing.flush();
  }

  sendAlone(text: string): void {
    this.outgoing.flush(true);
    this.end.send(text);
  }

  close(code: number, reason: string): void {
    this.outgoing.flush(true);
    this.detach();
    this.end.close(code, reason);
  }

  detach(): void {
    this.#admission.close();
    this.#deps.node.forget(this.peer);
  }
}
