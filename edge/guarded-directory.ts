import { asHome, type CoValueId, type GroupId } from "../shared/ids.ts";
import { Directory, type Resolution } from "./directory.ts";

export interface Guard {
  /** Whether one more home may be founded, which is one more Sprite. */
  readonly mayFound: (home: GroupId) => Promise<boolean>;
  /** Told once when it may not, and again only after it might. */
  readonly onRefused: () => void;
}

/**
 * A directory in which a client founds no more homes than it may. Those over the limit are `unreachable`, as if their shard
 * did not answer: whoever asked waits and asks again, so that they are founded later and nothing is lost.
 */
export class GuardedDirectory extends Directory {
  readonly #guard: Guard;
  #refused = false;

  constructor(deps: ConstructorParameters<typeof Directory>[0], guard: Guard) {
    super(deps);
    this.#guard = guard;
  }

  override async register(entries: ReadonlyMap<CoValueId, GroupId>): Promise<Resolution> {
    const founding = [...entries].filter(([id, home]) => id === home).map(([id]) => id);
    // A home that there is already, uploaded once more, founds nothing.
    const { homes, unreachable } = await this.lookup(founding);
    const held = new Set(unreachable);
    let full = false;
    for (const id of founding) {
      if (homes.has(id) || held.has(id)) continue;
      // One by one, and not again after a refusal: a frame may found thousands.
      full ||= !(await this.#guard.mayFound(asHome(id)));
      if (full) held.add(id);
    }
    if (full && !this.#refused) this.#guard.onRefused();
    if (founding.length > 0) this.#refused = full;
    const registered = await super.register(new Map([...entries].filter(([id]) => !held.has(id))));
    return { homes: registered.homes, unreachable: new Set([...registered.unreachable, ...held]) };
  }
}
