import type { CoValueId, GroupId } from "../../../shared/ids.ts";
import { emptyKnownState, type KnownState } from "../../../shared/known-state.ts";
import type { Claim, Content, PeerModel } from "./node-model.ts";
import type { ServerNode } from "./server-node.ts";
import { poolValue } from "./values.ts";

export interface AdmissionDeps {
  readonly home: GroupId;
  readonly node: ServerNode;
  readonly peer: PeerModel;
  readonly later: (ms: number, work: () => void) => void;
  readonly diskMs: () => number;
  readonly stored: (id: CoValueId) => KnownState | undefined;
  /** How many messages may wait. */
  readonly room: number;
  readonly reply: (message: object) => void;
  readonly count: (what: string) => void;
}

/** Messages beside what fills the usual room: groups and accounts are small. */
const AWAITED_ROOM = 500;

/** Which messages of an upstream reach the node, and when: `sprite/admission.ts`. */
export class Admission {
  readonly #deps: AdmissionDeps;
  /** By CoValue, messages that wait for the disk or a dependency; the first is being worked on. */
  readonly #waiting = new Map<CoValueId, (Claim | Content)[]>();
  readonly #asked = new Map<CoValueId, () => void>();
  readonly #refused = new Set<CoValueId>();
  readonly #dropped = new Set<CoValueId>();
  #closed = false;

  constructor(deps: AdmissionDeps) {
    this.#deps = deps;
  }

  get isIdle(): boolean {
    return this.#waiting.size === 0;
  }

  close(): void {
    this.#closed = true;
  }

  admit(message: Claim | Content): void {
    const { id } = message;
    if (message.action === "known" && !message.header) this.#asked.get(id)?.();
    if (message.action === "content" && this.#dropped.has(id) && !this.#isAwaited(id)) return;
    const queue = this.#waiting.get(id);
    if (!queue && this.#needsNothing(message)) this.#deps.node.deliver(this.#deps.peer, message);
    else if (message.action === "content" && !this.#hasRoom(id)) {
      this.#dropped.add(id);
      this.#deps.count("a Sprite had no room for content");
      this.#deps.reply({ type: "error", code: "overloaded", id, message: "too much waits" });
    } else if (queue) queue.push(message);
    else {
      this.#waiting.set(id, [message]);
      this.#work(id);
    }
  }

  /** What others wait for has room of its own. */
  #hasRoom(id: CoValueId): boolean {
    const waiting = [...this.#waiting.values()].reduce((sum, queue) => sum + queue.length, 0);
    return waiting < this.#deps.room + (this.#isAwaited(id) ? AWAITED_ROOM : 0);
  }

  #isAwaited(id: CoValueId): boolean {
    return this.#asked.has(id) || this.#deps.peer.loadSent.has(id);
  }

  #needsNothing(message: Claim | Content): boolean {
    if (message.action !== "content") return message.reattach !== true;
    const { node } = this.#deps;
    return node.memory.has(message.id) && node.missing(message).length === 0;
  }

  #work(id: CoValueId): void {
    const queue = this.#waiting.get(id);
    const message = queue?.[0];
    if (!queue || !message || this.#closed) return;
    const done = (deliver: boolean) => {
      if (this.#closed) return;
      if (deliver) {
        this.#deps.node.deliver(this.#deps.peer, message);
        this.#refused.delete(id);
      }
      queue.shift();
      if (queue.length > 0) return this.#work(id);
      this.#waiting.delete(id);
      if (this.#waiting.size === 0) this.#askForDropped();
    };
    if (this.#needsNothing(message)) done(true);
    else if (message.action === "content") this.#prepare(message, done);
    else
      this.#fromDisk(() => {
        this.#deps.reply({ action: "known", id, ...(this.#deps.stored(id) ?? emptyKnownState()) });
        done(true);
      });
  }

  #fromDisk(then: () => void): void {
    this.#deps.later(this.#deps.diskMs() / 4, () => !this.#closed && then());
  }

  #askForDropped(): void {
    const ids = [...this.#dropped].filter((id) => !this.#refused.has(id));
    this.#dropped.clear();
    for (const id of ids) {
      this.#fromDisk(() => {
        const state = this.#deps.stored(id) ?? emptyKnownState();
        this.#deps.reply({ action: "known", isCorrection: true, id, ...state });
      });
    }
  }

  #prepare(content: Content, done: (deliver: boolean) => void): void {
    const { node, peer, reply, count, home } = this.#deps;
    const { id } = content;
    const refuse = (code: string) => {
      if (this.#closed) return;
      this.#refused.add(id);
      this.#asked.get(id)?.();
      count(`refused: ${code}`);
      reply({ type: "error", code, id, message: "refused" });
      done(false);
    };
    const fetch = () => {
      const missing = node.missing(content);
      for (const needed of missing) node.fetch(peer, needed);
      node.whenInMemory(missing, (all) => (all ? done(true) : refuse("missing-dependency")));
    };
    node.load(id, () => {
      if (node.memory.has(id)) return fetch();
      if (!content.header) {
        if (this.#refused.has(id)) return refuse("foreign-covalue");
        reply({ action: "known", id, isCorrection: true, ...emptyKnownState() });
        return done(false);
      }
      const { home: of, group } = poolValue(id);
      if (peer.loadSent.has(id) || id === home) return fetch();
      if (of !== home || !group) return refuse("foreign-covalue");
      this.#findGroup(group, (found) => (found ? fetch() : refuse("foreign-covalue")));
    });
  }

  /** The request is not the node's own: the group is judged like anything else that arrives. */
  #findGroup(group: CoValueId, then: (found: boolean) => void): void {
    const { node, reply } = this.#deps;
    node.load(group, () => {
      if (node.memory.has(group)) return then(true);
      const asks = !this.#asked.has(group);
      const stop = node.whenInMemory([group], (found) => {
        this.#asked.delete(group);
        then(found);
      });
      this.#asked.set(group, stop);
      if (asks) reply({ action: "load", id: group, ...emptyKnownState() });
    });
  }
}
