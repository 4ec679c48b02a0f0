import type { CoValueId } from "../../../shared/ids.ts";
import { cloneKnownState, emptyKnownState, type KnownState } from "../../../shared/known-state.ts";
import {
  type Claim,
  type Content,
  covers,
  hashOf,
  NodeModel,
  type PeerModel,
  type Reconcile,
} from "./node-model.ts";
import { dependenciesOf } from "./values.ts";

export interface ServerNodeDeps {
  readonly later: (ms: number, work: () => void) => void;
  readonly diskMs: () => number;
  readonly stored: (id: CoValueId) => KnownState | undefined;
  readonly store: (id: CoValueId, reach: KnownState) => void;
  readonly peers: () => Iterable<PeerModel>;
  readonly count: (what: string) => void;
}

/** How long a Sprite waits for what something depends on. */
const OWNER_WAIT_MS = 30_000;

/** cojson's node as a server with a disk: values come to memory when they are needed. */
export class ServerNode extends NodeModel {
  readonly #deps: ServerNodeDeps;
  /** `onlyKnownState`: answered for from the disk, without being loaded. */
  readonly #lazy = new Set<CoValueId>();
  readonly #awaited = new Map<CoValueId, (() => void)[]>();
  readonly #batches = new Map<PeerModel, Map<string, Set<CoValueId>>>();

  constructor(deps: ServerNodeDeps) {
    super();
    this.#deps = deps;
  }

  forget(peer: PeerModel): void {
    this.#batches.delete(peer);
  }

  deliver(peer: PeerModel, message: Claim | Content): void {
    if (message.action === "content") this.#content(peer, message);
    else if (message.action === "load") this.#loaded(peer, message);
    else if (message.isCorrection) this.correction(message, peer);
    else this.#known(peer, message);
  }

  reconcile(peer: PeerModel, { id: batch, values }: Reconcile): void {
    const pending = new Set<CoValueId>();
    for (const [id, hash] of values) {
      const state = this.memory.get(id) ?? this.#deps.stored(id);
      if (state && hashOf(state) === hash) continue;
      pending.add(id);
      peer.told.add(id);
      peer.send({ action: "load", id, ...cloneKnownState(state ?? emptyKnownState()) });
    }
    const batches = this.#batches.get(peer) ?? new Map<string, Set<CoValueId>>();
    this.#batches.set(peer, batches);
    if (pending.size > 0) batches.set(batch, pending);
    else peer.send({ action: "reconcile-ack", id: batch });
  }

  /** Brings a value to memory, with what it needs, if the disk has it. */
  load(id: CoValueId, then: () => void): void {
    if (this.memory.has(id)) {
      then();
      return;
    }
    this.#deps.later(this.#deps.diskMs() / 4, () => {
      this.#toMemory(id);
      then();
    });
  }

  /** Gets a dependency from the disk, else from the peer that sent what needs it. */
  fetch(peer: PeerModel, id: CoValueId): void {
    this.load(id, () => {
      if (this.memory.has(id) || peer.loadSent.has(id)) return;
      peer.loadSent.add(id);
      peer.told.add(id);
      this.#deps.count("dependency asked of a client");
      peer.send({ action: "load", id, ...emptyKnownState() });
    });
  }

  /**
   * Waits for values to be in memory, each for as long as a Sprite does.
   * @returns how to stop waiting: then they are not there.
   */
  whenInMemory(ids: readonly CoValueId[], then: (all: boolean) => void): () => void {
    let over = false;
    const end = (all: boolean) => {
      if (!over) then(all);
      over = true;
    };
    const next = () => {
      const left = ids.find((id) => !this.memory.has(id));
      if (over || !left) return end(true);
      let waits = true;
      const wakers = this.#awaited.get(left) ?? [];
      this.#awaited.set(left, wakers);
      // Not within the run that brought it.
      wakers.push(() => {
        waits = false;
        this.#deps.later(0, next);
      });
      this.#deps.later(OWNER_WAIT_MS, () => waits && end(false));
    };
    next();
    return () => end(false);
  }

  #content(peer: PeerModel, content: Content): void {
    if (!this.memory.has(content.id) && !content.header) return;
    const { id } = content;
    const { news } = this.take(content, peer);
    this.#arrived(id);
    if (news) this.#deps.store(id, news);
    this.#reconciled(peer, id);
    for (const other of this.#deps.peers()) if (other.isSubscribed(id)) this.sendNew(id, other);
  }

  #loaded(peer: PeerModel, { id, header, sessions }: Claim): void {
    peer.set(id, { header, sessions });
    if (this.memory.has(id)) {
      this.sendNew(id, peer, true);
      return;
    }
    this.#deps.later(this.#deps.diskMs() / 4, () => {
      const stored = this.#deps.stored(id);
      const has = peer.hoped(id);
      if (!this.memory.has(id) && stored && has?.header && covers(has, stored)) {
        peer.told.add(id);
        this.#lazy.add(id);
        peer.send({ action: "known", id, ...cloneKnownState(stored) });
        return;
      }
      this.#toMemory(id);
      if (this.memory.has(id)) return this.sendNew(id, peer, true);
      peer.told.add(id);
      peer.send({ action: "known", id, ...emptyKnownState() });
    });
  }

  #known(peer: PeerModel, { id, header, sessions }: Claim): void {
    peer.combine(id, { header, sessions });
    if (this.memory.has(id)) this.sendNew(id, peer);
    else if (this.#lazy.has(id) && !covers(peer.sure(id), this.#deps.stored(id) ?? emptyKnownState()))
      this.load(id, () => this.sendNew(id, peer));
    this.#reconciled(peer, id);
  }

  #reconciled(peer: PeerModel, id: CoValueId): void {
    for (const [batch, pending] of this.#batches.get(peer) ?? []) {
      if (!pending.delete(id) || pending.size > 0) continue;
      this.#batches.get(peer)?.delete(batch);
      peer.send({ action: "reconcile-ack", id: batch });
    }
  }

  #toMemory(id: CoValueId): void {
    const stored = this.#deps.stored(id);
    if (!stored?.header || this.memory.has(id)) return;
    const needs = dependenciesOf(id, Object.keys(stored.sessions));
    for (const needed of needs) this.#toMemory(needed);
    if ([...needs].some((needed) => !this.memory.has(needed))) return;
    this.memory.set(id, cloneKnownState(stored));
    this.#arrived(id);
  }

  #arrived(id: CoValueId): void {
    for (const wake of this.#awaited.get(id)?.splice(0) ?? []) wake();
  }
}
