import type { CoValueId, GroupId } from "../shared/ids.ts";

import { COST, type Remembered } from "./remembered.ts";

const NOBODY: ReadonlySet<GroupId> = new Set();

/** Which Sprites, besides its home, hold or asked this session's client for a value: they keep a replica of it. */
export class Interests {
  readonly #remembered: Remembered;
  readonly #sprites = new Map<CoValueId, Set<GroupId>>();
  readonly #doubtful = new Set<GroupId>();

  constructor(remembered: Remembered) {
    this.#remembered = remembered;
  }

  /** Without room nothing is remembered: the Sprite does not get what the client sends of the value. */
  add(id: CoValueId, sprite: GroupId): void {
    const sprites = this.#sprites.get(id);
    if (sprites?.has(sprite)) return;
    if (!this.#remembered.take(COST.interestedSprite + (sprites ? 0 : COST.interest))) return;
    if (sprites) sprites.add(sprite);
    else this.#sprites.set(id, new Set([sprite]));
  }

  of(id: CoValueId): ReadonlySet<GroupId> {
    return this.#sprites.get(id) ?? NOBODY;
  }

  /** Something on its way to a Sprite was thrown away: perhaps what it had asked for, and it asks once an upstream. */
  doubt(sprite: GroupId): void {
    this.#doubtful.add(sprite);
  }

  /** What has to be asked for once more on behalf of a Sprite. */
  *takeDoubtful(sprite: GroupId): Generator<CoValueId> {
    if (!this.#doubtful.delete(sprite)) return;
    for (const [id, sprites] of this.#sprites) if (sprites.has(sprite)) yield id;
  }

  /** A Sprite's upstream is gone: attached again, it asks anew. */
  forget(sprite: GroupId): void {
    this.#doubtful.delete(sprite);
    for (const [id, sprites] of this.#sprites) {
      if (sprites.delete(sprite)) this.#remembered.give(COST.interestedSprite);
      if (sprites.size > 0) continue;
      this.#sprites.delete(id);
      this.#remembered.give(COST.interest);
    }
  }
}
