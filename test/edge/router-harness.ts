import { LRUCache } from "lru-cache";
import { Budget } from "../../edge/budget.ts";
import { type CreationProofs, type ProofVerdict, SignedCreations } from "../../edge/creation-proof.ts";
import { Directory, type ShardApi } from "../../edge/directory.ts";
import { Follow } from "../../edge/follow.ts";
import { Interests } from "../../edge/interests.ts";
import type { Remembered, RememberedLimits } from "../../edge/remembered.ts";
import { Router } from "../../edge/router.ts";
import { asHome, type CoValueId, type GroupId } from "../../shared/ids.ts";
import { LIMITS } from "../../shared/limits.ts";
import { type ContentMessage, type Message, parseMessage } from "../../shared/messages.ts";
import type { PlacementPolicy } from "../../shared/placement.ts";
import { newRemembered } from "../support/remembered.ts";

const silent = { debug() {}, info() {}, warn() {}, error() {} };

/** Shards in memory: what several routers share. `down` makes them fail; `calls` counts. */
export class MemoryShards {
  readonly homes = new Map<string, string>();
  down = false;
  calls = 0;

  readonly shard = (): ShardApi => ({
    lookup: async (ids) => {
      this.#serve();
      return Object.fromEntries(
        ids.flatMap((id) => (this.homes.has(id) ? [[id, this.homes.get(id) ?? ""]] : [])),
      );
    },
    register: async (entries) => {
      this.#serve();
      for (const [id, home] of Object.entries(entries)) if (!this.homes.has(id)) this.homes.set(id, home);
      return Object.fromEntries(Object.keys(entries).map((id) => [id, this.homes.get(id) ?? ""]));
    },
  });

  #serve(): void {
    this.calls++;
    if (this.down) throw new Error("the shard is down");
  }
}

/** The accounts that routers have met, unless a test says otherwise: it teaches them. */
export const KNOWN_ACCOUNTS = new SignedCreations();

/** Signatures are verified in other threads: tests have to know when that is over. */
class AwaitedProofs implements CreationProofs {
  readonly #proofs: CreationProofs;
  readonly running = new Set<Promise<unknown>>();

  constructor(proofs: CreationProofs) {
    this.#proofs = proofs;
  }

  learn(content: ContentMessage): void {
    this.#proofs.learn(content);
  }

  mayProve(...about: Parameters<CreationProofs["mayProve"]>): boolean {
    return this.#proofs.mayProve(...about);
  }

  async prove(contents: readonly ContentMessage[]): Promise<ProofVerdict> {
    const work = this.#proofs.prove(contents);
    this.running.add(work);
    return work.finally(() => this.running.delete(work));
  }
}

/** A router with a client and Sprites that only record. */
export class RouterHarness {
  readonly router: Router;
  readonly toClient: Message[] = [];
  readonly toSprites = new Map<GroupId, Message[]>();
  readonly wanted: CoValueId[] = [];
  readonly clientAcked: string[] = [];
  readonly pending = new Budget(LIMITS.sessionPendingBytes);
  /** Homes whose replayed loads have all been answered, one entry each time. */
  readonly repaired: GroupId[] = [];
  /** Homes that were to be attached with nothing to send. */
  readonly attached: GroupId[] = [];
  /** Homes whose upstream is on no way to the Sprite. */
  readonly resting = new Set<GroupId>();
  /** Homes that are watched because they need not be woken, each with the awake period that ended. */
  readonly watched: [GroupId, string][] = [];
  /** What coordinators were asked about resting homes: about how many values. */
  readonly questions: [GroupId, number][] = [];
  answer: (records: readonly string[]) => Promise<string | undefined> = async () => undefined;
  /** Homes whose upstream is open. Others queue. */
  readonly open = new Set<GroupId>();
  /** Homes whose queue is full. */
  readonly full = new Set<GroupId>();
  readonly remembered: Remembered;
  #resume: (() => void)[] = [];

  readonly shards: MemoryShards;
  readonly #proofs: AwaitedProofs;

  constructor(
    shards = new MemoryShards(),
    policy: PlacementPolicy = "root",
    cache = new LRUCache<CoValueId, GroupId>({ max: 1000 }),
    proofs: CreationProofs = KNOWN_ACCOUNTS,
    limits: RememberedLimits = LIMITS,
  ) {
    this.remembered = newRemembered(limits);
    this.shards = shards;
    this.#proofs = new AwaitedProofs(proofs);
    this.router = new Router({
      directory: new Directory({ shard: shards.shard, log: silent, cache }),
      policy,
      proofs: this.#proofs,
      upstream: (home) => ({
        open: this.open.has(home),
        rests: this.resting.has(home),
        rest: (boot) => this.watched.push([home, boot]),
        repaired: () => this.repaired.push(home),
        send: (text) => this.#send(home, text),
        sendContent: (_, text) => this.#send(home, text),
        resend: (pieces) => {
          for (const { text } of pieces) if (text) this.#send(home, text);
        },
        attach: () => this.attached.push(home),
      }),
      unchanged: (home, records) => {
        this.questions.push([home, records.length]);
        return this.answer(records);
      },
      toClient: (text) => this.toClient.push(parseMessage(text)),
      want: (id) => this.wanted.push(id),
      unacknowledged: new Budget(LIMITS.unacknowledgedBytes),
      pending: this.pending,
      remembered: this.remembered,
      clientAcked: (batch) => this.clientAcked.push(batch),
      isAboutMark: () => false,
      interests: new Interests(this.remembered),
      newFollow: (id, at) => new Follow(id, at),
      pause: () => new Promise((resolve) => this.#resume.push(() => resolve())),
    });
  }

  #send(home: GroupId, text: string): boolean {
    if (this.full.has(home)) return false;
    this.sprite(home).push(parseMessage(text));
    return true;
  }

  sprite(home: string): Message[] {
    const id = asHome(home as CoValueId);
    const known = this.toSprites.get(id) ?? [];
    this.toSprites.set(id, known);
    return known;
  }

  /** A frame from the client, handled to the end. */
  async client(...messages: (object | string)[]): Promise<void> {
    this.router.clientMessages(messages.map(textOf));
    await this.#settled();
  }

  async fromSprite(home: string, message: object | string): Promise<void> {
    this.fromSpriteNow(home, message);
    await this.#settled();
  }

  /** The same for a message that the router needs nobody else for. */
  fromSpriteNow(home: string, message: object | string): void {
    this.router.spriteMessage(asHome(home as CoValueId), parseMessage(textOf(message)));
  }

  /** The upstream of a home opens; returns what is sent on it first. */
  attach(home: string): Message[] {
    this.open.add(asHome(home as CoValueId));
    const replayed = [...this.router.attached(asHome(home as CoValueId))].map((text) => parseMessage(text));
    // In front of what waits, as the upstream sends it.
    for (const { text } of this.router.unacknowledged(asHome(home as CoValueId)))
      if (text) replayed.push(parseMessage(text));
    return replayed;
  }

  lose(home: string): void {
    this.open.delete(asHome(home as CoValueId));
    this.router.lost(asHome(home as CoValueId));
  }

  /** Ends all pauses: whoever waited tries again. */
  async retry(): Promise<void> {
    for (const resume of this.#resume.splice(0)) resume();
    await this.#settled();
  }

  /** Lets every promise that is ready run, and every signature be verified; nothing here waits for time. */
  async #settled(): Promise<void> {
    do {
      await Promise.all(this.#proofs.running);
      for (let turn = 0; turn < 30; turn++) await Promise.resolve();
      await new Promise((next) => setImmediate(next));
    } while (this.#proofs.running.size > 0);
  }

  take(): Message[] {
    return this.toClient.splice(0);
  }
}

function textOf(message: object | string): string {
  return typeof message === "string" ? message : JSON.stringify(message);
}
