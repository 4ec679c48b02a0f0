import type { CoValueId, GroupId } from "../shared/ids.ts";

const NOBODY: ReadonlySet<GroupId> = new Set();

/** Which Sprites, besides its home, hold or asked this session's client for a value: they keep a replica of it. */
export class Interests {
  readonly #sprites = new Map<CoValueId, Set<GroupId>>();
  readonly #doubtful = new Set<GroupId>();

  add(id: CoValueId, sprite: GroupId): void {
    const sprites = this.#sprites.get(id);
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
      sprites.delete(sprite);
      if (sprites.size === 0) this.#sprites.delete(id);
    }
  }
}
