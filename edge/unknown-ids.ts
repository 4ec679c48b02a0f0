import { errorMessage } from "../shared/control.ts";
import type { CoValueId } from "../shared/ids.ts";
import { emptyKnownState, type KnownState, knownStateMessage } from "../shared/known-state.ts";
import { LIMITS } from "../shared/limits.ts";
import type { LoadMessage } from "../shared/messages.ts";
import { COST, entryBytes } from "./remembered.ts";
import type { RouterDeps } from "./router-deps.ts";

/** What the client has of the ids that it asked for and nobody has created yet. */
export class UnknownIds {
  readonly #deps: Pick<RouterDeps, "remembered" | "toClient" | "want">;
  readonly #states = new Map<CoValueId, KnownState>();

  constructor(deps: Pick<RouterDeps, "remembered" | "toClient" | "want">) {
    this.#deps = deps;
  }

  /** The client asked for an id that surely has no home. It is answered in any case, and told later if there is room. */
  asked({ id, state }: LoadMessage): void {
    const isKept = this.#keep(id, state);
    this.#deps.toClient(knownStateMessage("known", id, emptyKnownState()));
    // A client that has the value will upload it now; only one that lacks it waits for somebody else to.
    if (state.header) return;
    if (isKept) this.#deps.want(id);
    else {
      const what = `${id} does not exist, and will not be sent when it is created`;
      this.#deps.toClient(errorMessage(this.#deps.remembered.refusal(what), id));
    }
  }

  get(id: CoValueId): KnownState | undefined {
    return this.#states.get(id);
  }

  delete(id: CoValueId): void {
    const state = this.#states.get(id);
    if (state) this.#deps.remembered.give(bytesOf(state));
    this.#states.delete(id);
  }

  #keep(id: CoValueId, state: KnownState): boolean {
    this.delete(id);
    if (this.#states.size >= LIMITS.wantedPerSession) return false;
    if (!this.#deps.remembered.take(bytesOf(state), state.sessions)) return false;
    this.#states.set(id, state);
    return true;
  }
}

function bytesOf({ sessions }: KnownState): number {
  return COST.unknownId + entryBytes(Object.keys(sessions));
}
