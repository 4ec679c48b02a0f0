import { type CoValueId, isCoValueId } from "../../../shared/ids.ts";
import { emptyKnownState, type KnownState } from "../../../shared/known-state.ts";
import { withTimeout } from "../../../shared/timeout.ts";
import type { Promises } from "./promises.ts";
import type { SignedValue, SignedWorld } from "./signed-world.ts";
import { assertGenuine } from "./stored-world.ts";
import { openUpstream, type Received, type UpstreamSocket } from "./upstream-socket.ts";
import { CrashViolation } from "./violation.ts";

/** Messages of one coSession that are on their way at once. */
const WINDOW = 4;
/** What a Sprite that is alive never needs, also on a busy machine. */
const HUNG_MS = 20_000;

/** What the client is doing with one CoValue. */
interface Following {
  readonly value: SignedValue;
  /** What the Sprite answered first; from then on it grows with each acknowledgement. */
  known: KnownState | undefined;
  hasHeader: boolean;
  /** How far each coSession was sent. */
  readonly cursor: Map<string, number>;
  /** Transactions heard while it is read back. */
  readonly heard: Map<string, number>;
  writes: boolean;
  changed: () => void;
}

/**
 * All clients of a Sprite on one socket: reads values back and compares them, and writes the next signed messages,
 * several of each coSession at once. Everything that the Sprite says is a promise.
 */
export class LoadClient {
  /** The first time that something new was acknowledged. */
  readonly firstAck: Promise<void>;
  /** The first violation, as a rejection. */
  readonly failed: Promise<never>;
  acknowledged = 0;
  readBack = 0;
  readonly #world: SignedWorld;
  readonly #promises: Promises;
  readonly #following = new Map<CoValueId, Following>();
  readonly #acked = Promise.withResolvers<void>();
  readonly #failure = Promise.withResolvers<never>();
  #socket: UpstreamSocket | undefined;
  #paused = false;

  constructor(world: SignedWorld, promises: Promises) {
    this.#world = world;
    this.#promises = promises;
    this.firstAck = this.#acked.promise;
    this.failed = this.#failure.promise;
    this.failed.catch(() => undefined);
  }

  /** Messages that were sent and not acknowledged. */
  get onTheirWay(): number {
    let messages = 0;
    for (const following of this.#following.values()) {
      for (const coSession of following.cursor.keys()) messages += this.#flying(following, coSession);
    }
    return messages;
  }

  async connect(port: number): Promise<void> {
    this.#socket = await openUpstream(port, this.#world.home, (message) => this.#hear(message));
  }

  /** Resolves when everything was heard that the Sprite had said. */
  async ended(): Promise<void> {
    await this.#socket?.closed;
  }

  /** Loads a value as somebody who has nothing of it: exactly what the Sprite says it has must come, as it was signed. */
  async readAll(value: SignedValue): Promise<void> {
    const following = this.#follow(value);
    this.#send({ action: "load", id: value.id, ...emptyKnownState(), reattach: true });
    await this.#until(following, `reading ${value.id}`, ({ known, heard }) => {
      if (!known) return false;
      const sessions = Object.entries(known.sessions);
      return sessions.every(([coSession, count]) => (heard.get(coSession) ?? 0) >= count);
    });
    for (const [coSession, count] of following.heard) {
      if (count === (following.known?.sessions[coSession] ?? 0)) continue;
      throw new CrashViolation(
        `${value.id} ${coSession}: ${count} transactions came, which is not what is known`,
      );
    }
    if (following.known?.header) this.readBack++;
  }

  /** Goes on writing to a value, from where the Sprite is, until the socket closes or {@link pause}. */
  async write(value: SignedValue): Promise<void> {
    const following = this.#follow(value);
    following.writes = true;
    const all = [...value.chains].map(([coSession, { length }]) => [coSession, length]);
    this.#send({
      action: "load",
      id: value.id,
      header: true,
      sessions: Object.fromEntries(all),
      reattach: true,
    });
    await this.#until(following, `asking for ${value.id}`, ({ known }) => known !== undefined);
    this.#pump(following);
  }

  /** Sends nothing new from now on. */
  pause(): void {
    this.#paused = true;
  }

  #follow(value: SignedValue): Following {
    const before = this.#following.get(value.id);
    const following: Following = {
      value,
      known: undefined,
      hasHeader: before?.hasHeader ?? false,
      cursor: new Map(),
      heard: new Map(),
      writes: false,
      changed: () => undefined,
    };
    this.#following.set(value.id, following);
    return following;
  }

  #until(following: Following, what: string, isTrue: (now: Following) => boolean): Promise<void> {
    const met = new Promise<void>((resolve) => {
      following.changed = () => isTrue(following) && resolve();
    });
    const hung = new CrashViolation(`${what} took more than ${HUNG_MS} ms`);
    return withTimeout(Promise.race([met, this.failed, this.ended()]), HUNG_MS, hung);
  }

  #hear(message: Received): void {
    try {
      if (message.type === "error") throw new CrashViolation(`refused: ${message.code} ${message.message}`);
      if (isCoValueId(message.id)) this.#hearOf(message.id, message);
    } catch (error) {
      this.#failure.reject(error);
    }
  }

  #hearOf(id: CoValueId, message: Received): void {
    const value = this.#world.values.get(id);
    if (!value) throw new CrashViolation(`a ${message.action} about ${id}, which nobody made`);
    const following = this.#following.get(id) ?? this.#follow(value);
    if (message.action === "content") this.#hearContent(following, message);
    else if (message.action === "known" || message.action === "load") this.#hearState(following, message);
    following.changed();
  }

  #hearContent({ value, heard }: Following, message: Received): void {
    for (const [coSession, { after, newTransactions }] of Object.entries(message.new ?? {})) {
      assertGenuine(value, coSession, after, newTransactions, "served");
      // With a gap it would never be complete, and the reading hang.
      const before = heard.get(coSession) ?? 0;
      if (after <= before) heard.set(coSession, Math.max(before, after + newTransactions.length));
    }
  }

  #hearState(following: Following, message: Received): void {
    const { value } = following;
    const state: KnownState = { header: message.header === true, sessions: message.sessions ?? {} };
    const isFirst = message.action === "known" && following.known === undefined;
    if (isFirst) {
      this.#promises.found(value.id, state, "known");
      following.known = state;
      following.hasHeader = state.header;
      for (const coSession of value.chains.keys())
        following.cursor.set(coSession, state.sessions[coSession] ?? 0);
    } else {
      this.#hearAck(value.id, state);
      following.known = state;
    }
    if (message.isCorrection || message.action === "load") this.#rewind(following, state);
    this.#pump(following);
  }

  #hearAck(id: CoValueId, state: KnownState): void {
    const more = this.#promises.acknowledged(id, state);
    this.acknowledged += more;
    if (more > 0) this.#acked.resolve();
  }

  /** The Sprite asks for what comes after `state`. */
  #rewind(following: Following, state: KnownState): void {
    following.known ??= state;
    following.hasHeader = state.header;
    for (const coSession of following.value.chains.keys()) {
      following.cursor.set(coSession, state.sessions[coSession] ?? 0);
    }
    // What nobody writes to on purpose, groups and accounts, is sent because the Sprite asks for it.
    following.writes = true;
  }

  #pump(following: Following): void {
    if (!following.writes || !following.known || this.#paused) return;
    for (const [coSession, chain] of following.value.chains) {
      let cursor = following.cursor.get(coSession) ?? 0;
      for (let flying = this.#flying(following, coSession); flying < WINDOW; flying++) {
        const batch = chain.from(cursor);
        if (!batch) break;
        const { header } = following.value;
        this.#promises.sent(following.value.id, coSession, batch.end);
        this.#send({ ...batch.content, ...(!following.hasHeader && { header }) });
        following.hasHeader = true;
        cursor = batch.end;
      }
      following.cursor.set(coSession, cursor);
    }
  }

  /** Messages of a coSession that were sent and not acknowledged. */
  #flying({ value, known, cursor: cursors }: Following, coSession: string): number {
    const chain = value.chains.get(coSession);
    const acked = known?.sessions[coSession] ?? 0;
    const cursor = cursors.get(coSession) ?? 0;
    let flying = 0;
    for (let at = acked; at < cursor; flying++) at = chain?.from(at)?.end ?? cursor;
    return flying;
  }

  #send(message: unknown): void {
    this.#socket?.send(message);
  }
}
