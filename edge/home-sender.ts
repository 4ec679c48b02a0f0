import { SpriteSyncError } from "../shared/errors.ts";
import type { CoValueId, GroupId } from "../shared/ids.ts";
import { knownStateMessage } from "../shared/known-state.ts";
import type { ContentMessage, KnownMessage, LoadMessage } from "../shared/messages.ts";
import type { Follow } from "./follow.ts";
import type { Follows } from "./follows.ts";
import type { Interests } from "./interests.ts";
import type { Reconciles } from "./reconcile.ts";
import type { RouterDeps } from "./router-deps.ts";
import { SleepCheck } from "./sleep-check.ts";

export interface HomeSenderDeps extends Pick<RouterDeps, "upstream" | "toClient" | "unchanged" | "pending"> {
  readonly follows: Follows;
  readonly reconciles: Reconciles;
  readonly interests: Interests;
}

/**
 * What one session sends to homes, and what has to be repaired when there was no room for it.
 *
 * 1. A `load` of a client that comes back is held until it is known whether its home has to be woken for it; everything
 *    else for that home goes behind it ({@link SleepCheck}).
 * 2. What is not sent is remembered: content and loads by their follow, batches by {@link Reconciles}, what replicas asked
 *    for by {@link Interests}.
 */
export class HomeSender {
  readonly #deps: HomeSenderDeps;
  readonly #sleepCheck: SleepCheck;

  constructor(deps: HomeSenderDeps) {
    this.#deps = deps;
    this.#sleepCheck = new SleepCheck({
      unchanged: deps.unchanged,
      onUnchanged: (home, loads, boot) => this.#restAt(home, loads, boot),
      onOther: (home, loads) => this.#loads(home, loads),
      held: deps.pending,
    });
  }

  load(home: GroupId, message: LoadMessage): void {
    const mayRest = message.state.header && this.#deps.upstream(home).rests;
    if (!mayRest || !this.#sleepCheck.hold(home, message)) this.#loads(home, [message]);
  }

  content(follow: Follow, message: ContentMessage): void {
    const piece = follow.clientSends(message);
    if (!piece) return;
    this.#heldLoads(follow.home);
    if (this.#deps.upstream(follow.home).sendContent(piece, message.text)) return;
    // What is on its way of this value will be acknowledged, and then the client asked for the rest.
    if (follow.missed(piece)) follow.unsent();
  }

  /** A home asked for content: what is kept of it is sent again, the rest is asked of the client. */
  corrected(follow: Follow | undefined, message: KnownMessage): void {
    const leads = follow ? follow.homeCorrects(message) : "ask";
    if (leads === "ask") this.#deps.toClient(message.text);
    else if (leads === "resend" && follow) this.#deps.upstream(follow.home).resend(follow.pieces);
  }

  /** A message about one value: if there is no room, the next replay makes up for it. */
  about(id: CoValueId, home: GroupId, message: string): void {
    if (!this.message(home, message)) this.#deps.follows.get(id)?.unsent();
  }

  /** @returns whether it is on its way. */
  message(home: GroupId, message: string): boolean {
    this.#heldLoads(home);
    if (this.#deps.upstream(home).send(message)) return true;
    this.#deps.reconciles.lost(home);
    this.#deps.interests.doubt(home);
    return false;
  }

  #loads(home: GroupId, loads: readonly LoadMessage[]): void {
    for (const load of loads) this.about(load.id, home, attachingLoad(load));
  }

  #heldLoads(home: GroupId): void {
    this.#loads(home, this.#sleepCheck.release(home));
  }

  /** The home sleeps and has what the client has: it is not woken, but watched, and asked when somebody else has woken it. */
  #restAt(home: GroupId, loads: readonly LoadMessage[], boot: string): void {
    const upstream = this.#deps.upstream(home);
    if (!upstream.rests) {
      this.#loads(home, loads);
      return;
    }
    for (const { id, state } of loads) {
      this.#deps.follows.get(id)?.homeRests(state);
      this.#deps.toClient(knownStateMessage("known", id, state));
    }
    upstream.rest(boot);
  }
}

/** Only a client that has something can be ahead of the home: then the home is made to say what it has. */
function attachingLoad({ state, text }: LoadMessage): string {
  const hasSome = state.header || Object.keys(state.sessions).length > 0;
  return hasSome ? withReattach(text) : text;
}

/** A load with the member that makes a Sprite answer with a `known` first; the rest of the text stays as it is. */
function withReattach(text: string): string {
  const end = text.lastIndexOf("}");
  if (end < 0) throw new SpriteSyncError("bad-message", "a load does not end with a brace");
  return `${text.slice(0, end)},"reattach":true}`;
}
