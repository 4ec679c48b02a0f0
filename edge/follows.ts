import type { CoValueId, GroupId } from "../shared/ids.ts";
import type { Budget } from "./budget.ts";
import type { Follow } from "./follow.ts";
import { HomeFollows } from "./home-follows.ts";
import { COST, type Remembered } from "./remembered.ts";

/** Everything that one session's client follows: by id, and by home. */
export class Follows {
  readonly #create: (id: CoValueId, at: HomeFollows) => Follow;
  readonly #kept: Budget;
  readonly #remembered: Remembered;
  readonly #byId = new Map<CoValueId, Follow>();
  readonly #byHome = new Map<GroupId, HomeFollows>();

  /**
   * @param kept for the content that homes have not acknowledged
   * @param remembered for the follows
   */
  constructor(
    create: (id: CoValueId, at: HomeFollows) => Follow,
    { kept, remembered }: { readonly kept: Budget; readonly remembered: Remembered },
  ) {
    this.#create = create;
    this.#kept = kept;
    this.#remembered = remembered;
  }

  get size(): number {
    return this.#byId.size;
  }

  /** Follows whose home has not shown that it has all the client has. */
  get unsettled(): number {
    let unsettled = 0;
    for (const at of this.#byHome.values()) unsettled += at.unsettled;
    return unsettled;
  }

  get(id: CoValueId): Follow | undefined {
    return this.#byId.get(id);
  }

  at(home: GroupId): HomeFollows {
    let at = this.#byHome.get(home);
    if (!at) {
      at = new HomeFollows(home, this.#kept, this.#remembered);
      this.#byHome.set(home, at);
    }
    return at;
  }

  /** The follow of an id; begins one at `home` if there is none. */
  begin(id: CoValueId, home: GroupId): Follow {
    let follow = this.#byId.get(id);
    if (!follow) {
      const at = this.at(home);
      this.#remembered.charge(COST.follow);
      follow = this.#create(id, at);
      this.#byId.set(id, follow);
      at.add(follow);
    }
    return follow;
  }

  /** Ends a follow that turned out to be at another home. */
  end(id: CoValueId): void {
    const follow = this.#byId.get(id);
    this.#byId.delete(id);
    if (!follow) return;
    this.#remembered.give(COST.follow + follow.bytes);
    this.at(follow.home).remove(follow);
  }
}
