import { type DigestRecord, recordOf } from "../shared/digest.ts";
import type { GroupId } from "../shared/ids.ts";
import type { LoadMessage } from "../shared/messages.ts";
import type { Budget } from "./budget.ts";
import { bytesOfMessage } from "./message-bytes.ts";

export interface SleepCheckDeps {
  /** Asks the home's coordinator: the awake period that ended, or `undefined` when the Sprite itself has to be asked. */
  readonly unchanged: (home: GroupId, records: readonly DigestRecord[]) => Promise<string | undefined>;
  /** The home sleeps, and had exactly what these loads name when period `boot` ended. */
  readonly onUnchanged: (home: GroupId, loads: readonly LoadMessage[], boot: string) => void;
  /** These have to go to the home. */
  readonly onOther: (home: GroupId, loads: readonly LoadMessage[]) => void;
  /** For what is held. */
  readonly held: Budget;
}

interface Held {
  /** What the coordinator is being asked about. */
  asked: LoadMessage[];
  /** What came since. */
  next: LoadMessage[];
}

/**
 * Holds back the loads of a client that comes back, until it is known whether their home has to be woken for them: a
 * thousand tabs that reconnect after a deploy must not wake every group they show (docs/protocol.md).
 *
 * 1. One question for each home at a time. What comes meanwhile is asked about together with what was: while any load of a
 *    home has no answer, the home is owed one, and does not rest.
 * 2. All loads of a question are answered the same way: if one has to go to the home, the others may as well.
 * 3. Whatever else is sent to a home goes behind the loads that are held for it: see {@link release}.
 */
export class SleepCheck {
  readonly #deps: SleepCheckDeps;
  readonly #homes = new Map<GroupId, Held>();

  constructor(deps: SleepCheckDeps) {
    this.#deps = deps;
  }

  /** @returns whether the load is held; if not, there is no room for it. */
  hold(home: GroupId, load: LoadMessage): boolean {
    if (!this.#deps.held.take(bytesOfMessage(load))) return false;
    const held = this.#homes.get(home);
    if (held) {
      held.next.push(load);
      return true;
    }
    const begun: Held = { asked: [], next: [load] };
    this.#homes.set(home, begun);
    // The rest of the client's frame comes along.
    queueMicrotask(() => void this.#ask(home, begun));
    return true;
  }

  /** What was held for a home, in its order: it goes there now, in front of whatever made that necessary. */
  release(home: GroupId): readonly LoadMessage[] {
    const held = this.#homes.get(home);
    if (!held) return [];
    this.#homes.delete(home);
    return this.#freed([...held.asked, ...held.next]);
  }

  async #ask(home: GroupId, held: Held): Promise<void> {
    while (this.#homes.get(home) === held) {
      held.asked.push(...held.next);
      held.next = [];
      const records = held.asked.map(({ id, state }) => recordOf(id, state));
      const boot = await this.#deps.unchanged(home, records);
      if (this.#homes.get(home) !== held) return;
      if (boot === undefined) {
        this.#deps.onOther(home, this.release(home));
        return;
      }
      if (held.next.length > 0) continue;
      this.#homes.delete(home);
      this.#deps.onUnchanged(home, this.#freed(held.asked), boot);
    }
  }

  #freed(loads: readonly LoadMessage[]): readonly LoadMessage[] {
    for (const load of loads) this.#deps.held.give(bytesOfMessage(load));
    return loads;
  }
}
