import type { CoValueId } from "../../../shared/ids.ts";
import {
  cloneKnownState,
  emptyKnownState,
  isBehind,
  type KnownState,
  mergeKnownState,
} from "../../../shared/known-state.ts";
import { dependenciesOf, poolValue } from "./values.ts";

interface Piece {
  readonly after: number;
  readonly newTransactions: readonly unknown[];
  readonly lastSignature: string;
}

export interface Content {
  readonly action: "content";
  readonly id: CoValueId;
  readonly header?: object;
  readonly priority: number;
  readonly new: Readonly<Record<string, Piece>>;
}

export interface Claim extends KnownState {
  readonly action: "load" | "known";
  readonly id: CoValueId;
  readonly isCorrection?: boolean;
  readonly reattach?: boolean;
}

export interface Reconcile {
  readonly action: "reconcile";
  readonly id: string;
  readonly values: readonly (readonly [CoValueId, string])[];
}

/** cojson's messages as far as they are played here. */
export type Sync = Content | Claim | Reconcile | { readonly action: "reconcile-ack"; readonly id: string };

/** cojson's `PeerState` and `PeerKnownState`: what a node thinks that a peer has. */
export class PeerModel {
  readonly role: "client" | "server";
  readonly send: (message: Sync) => void;
  readonly told = new Set<CoValueId>();
  readonly loadSent = new Set<CoValueId>();
  readonly #known: Map<CoValueId, { sure: KnownState; hoped: KnownState | undefined }>;

  constructor(role: "client" | "server", send: (message: Sync) => void, before?: PeerModel) {
    this.role = role;
    this.send = send;
    // A peer that reconnects keeps what was sure (`newPeerStateFrom`).
    this.#known = new Map(
      [...(before ? before.#known : [])].map(([id, { sure }]) => [
        id,
        { sure: cloneKnownState(sure), hoped: undefined },
      ]),
    );
  }

  isSubscribed(id: CoValueId): boolean {
    return this.#known.has(id);
  }

  sure(id: CoValueId): KnownState | undefined {
    return this.#known.get(id)?.sure;
  }

  hoped(id: CoValueId): KnownState | undefined {
    const known = this.#known.get(id);
    return known?.hoped ?? known?.sure;
  }

  set(id: CoValueId, state: KnownState): void {
    this.#known.set(id, { sure: cloneKnownState(state), hoped: undefined });
  }

  combine(id: CoValueId, state: KnownState): void {
    const known = this.#of(id);
    mergeKnownState(known.sure, state);
    if (known.hoped) mergeKnownState(known.hoped, state);
  }

  combineHoped(id: CoValueId, state: KnownState): void {
    const known = this.#of(id);
    known.hoped = mergeKnownState(known.hoped ?? cloneKnownState(known.sure), state);
  }

  #of(id: CoValueId) {
    const known = this.#known.get(id) ?? { sure: emptyKnownState(), hoped: undefined };
    this.#known.set(id, known);
    return known;
  }
}

/** Since a transaction is its author's and its number, a value's state is all its content. */
export function contentSince(
  id: CoValueId,
  state: KnownState,
  since: KnownState | undefined,
): Content | undefined {
  const pieces: Record<string, Piece> = {};
  for (const [coSession, count] of Object.entries(state.sessions)) {
    const after = since?.sessions[coSession] ?? 0;
    if (count > after) pieces[coSession] = piece(after, count);
  }
  const header = since?.header ? {} : { header: poolValue(id).header };
  if (since?.header && Object.keys(pieces).length === 0) return undefined;
  return { action: "content", id, ...header, priority: priorityOf(id), new: pieces };
}

/** `getPriorityFromHeader`. */
export function priorityOf(id: CoValueId): number {
  return poolValue(id).kind === "map" ? 3 : 0;
}

function piece(after: number, count: number): Piece {
  return { after, newTransactions: new Array(count - after).fill(0), lastSignature: "signature_z1" };
}

/**
 * cojson's sync of one node (0.20.19, src/sync.ts), with values reduced to their known states. What a server does
 * beyond it, with a disk, is in `server-node.ts`.
 */
export class NodeModel {
  readonly memory = new Map<CoValueId, KnownState>();

  /** `sendNewContent`. */
  sendNew(id: CoValueId, peer: PeerModel, force = false, seen = new Set<CoValueId>()): void {
    const state = this.memory.get(id);
    if (seen.has(id) || !state) return;
    seen.add(id);
    if (peer.role === "client") {
      for (const needed of dependenciesOf(id, Object.keys(state.sessions)))
        this.sendNew(needed, peer, false, seen);
    }
    const content = contentSince(id, state, peer.hoped(id));
    if (content) {
      peer.send(content);
      peer.combineHoped(id, state);
    } else if (force || !peer.told.has(id)) peer.send({ action: "known", id, ...cloneKnownState(state) });
    peer.told.add(id);
  }

  correction(message: Claim, peer: PeerModel): void {
    peer.set(message.id, message);
    this.sendNew(message.id, peer);
  }

  /** `handleNewContent` from where the value is in memory or comes with its header, and nothing it needs is missing. */
  take(content: Content, peer: PeerModel): { readonly news: KnownState | undefined } {
    const { id } = content;
    let state = this.memory.get(id);
    if (!state) {
      state = { header: true, sessions: {} };
      this.memory.set(id, state);
      peer.combine(id, { header: true, sessions: {} });
    }
    let gap = false;
    const valid: KnownState = { header: content.header !== undefined, sessions: {} };
    for (const [coSession, { after, newTransactions }] of Object.entries(content.new)) {
      const has = state.sessions[coSession] ?? 0;
      if (after > has) gap = true;
      else if (after + newTransactions.length > has) {
        state.sessions[coSession] = after + newTransactions.length;
        valid.sessions[coSession] = after + newTransactions.length;
      }
    }
    peer.combine(id, valid);
    const claim = { action: "known" as const, id, ...cloneKnownState(state) };
    peer.send(gap ? { ...claim, isCorrection: true } : claim);
    peer.told.add(id);
    return { news: valid.header || Object.keys(valid.sessions).length > 0 ? valid : undefined };
  }

  missing(content: Content): CoValueId[] {
    const coSessions = new Set([
      ...Object.keys(content.new),
      ...Object.keys(this.memory.get(content.id)?.sessions ?? {}),
    ]);
    return [...dependenciesOf(content.id, coSessions)].filter((id) => !this.memory.has(id));
  }
}

/** `hashKnownStateSessions`. */
export function hashOf(state: KnownState | undefined): string {
  return JSON.stringify(Object.entries(state?.sessions ?? {}).toSorted());
}

export function covers(state: KnownState | undefined, other: KnownState): boolean {
  return !isBehind(state ?? emptyKnownState(), other);
}
