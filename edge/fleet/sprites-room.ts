import type { GroupId } from "../../shared/ids.ts";
import { homeOfSprite, type SpriteName, spriteNameOf } from "../../shared/sprite-name.ts";
import type { RoomReport } from "./fleet.ts";
import type { RunningCount, SpritesApi } from "./sprites-api.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";
import type { ListedSprite } from "./sprites-types.ts";

export interface RoomDeps {
  readonly api: Pick<SpritesApi, "pages">;
  /** How long a running Sprite has had nothing to do, milliseconds; `undefined` when it does not say, or sleeps already. */
  readonly idleMsOf: (sprite: RunningSprite) => Promise<number | undefined>;
  /** Asks a Sprite to sleep if it is still idle. @returns whether it does. */
  readonly askToSleep: (sprite: RunningSprite) => Promise<boolean>;
  readonly now: () => number;
}

export interface RunningSprite {
  readonly name: SpriteName;
  readonly home: GroupId;
}

/** What all Sprites of all deployments are called. */
const PREFIX = "g-";

/**
 * Frees a running slot: the running Sprite that has been idle for longest is asked to sleep, then the next, until one does.
 *
 * 1. Only the Sprite decides: it alone sees all its traffic (design §4.1). The platform has no call that would pause it, so
 *    its slot comes free only when the platform has noticed, 30 to 80 s later (facts/fly-sprites §4).
 * 2. A question is a visit and puts that off, so no Sprite is asked again within that time.
 *
 * @returns a function to be called once at a time; all that it remembers is whom it asked when.
 */
export function createRoomMaker(deps: RoomDeps): (wanted: ReadonlySet<GroupId>) => Promise<RoomReport> {
  const asked = new Map<SpriteName, number>();

  async function withIdleTimes(sprites: readonly RunningSprite[]) {
    const idle: { readonly sprite: RunningSprite; readonly idleMs: number }[] = [];
    for (let at = 0; at < sprites.length; at += SPRITES_LIMITS.idleAsksAtOnce) {
      const some = sprites.slice(at, at + SPRITES_LIMITS.idleAsksAtOnce);
      for (const { name } of some) asked.set(name, deps.now());
      const times = await Promise.all(some.map((sprite) => deps.idleMsOf(sprite).catch(() => undefined)));
      for (const [i, sprite] of some.entries()) {
        const idleMs = times[i];
        if (idleMs) idle.push({ sprite, idleMs });
      }
    }
    return idle.sort((a, b) => b.idleMs - a.idleMs);
  }

  return async (wanted) => {
    for (const [name, at] of asked) if (deps.now() - at >= SPRITES_LIMITS.askAgainMs) asked.delete(name);
    const mayAsk = ({ name, home }: RunningSprite) => !asked.has(name) && !wanted.has(home);
    const { running, count } = await runningSprites(deps.api, mayAsk);
    for (const { sprite } of await withIdleTimes(running)) {
      if (await deps.askToSleep(sprite).catch(() => false)) return { ...count, asleep: sprite.name };
    }
    return { ...count, asleep: undefined };
  };
}

/** Running Sprites that may be asked, those first that have run for longest. */
async function runningSprites(
  api: Pick<SpritesApi, "pages">,
  mayAsk: (sprite: RunningSprite) => boolean,
): Promise<{ running: RunningSprite[]; count: RunningCount }> {
  const found: { readonly sprite: RunningSprite; readonly since: string }[] = [];
  let count: RunningCount = { running: undefined, limit: undefined };
  let pages = 0;
  for await (const page of api.pages(PREFIX)) {
    count = page.count;
    for (const listed of page.sprites) {
      const home = listed.status === "running" ? homeOfSprite(listed.name) : undefined;
      const sprite = home && { name: spriteNameOf(home), home };
      if (sprite && mayAsk(sprite)) found.push({ sprite, since: sinceOf(listed) });
    }
    if (found.length >= SPRITES_LIMITS.idleCandidates || ++pages === SPRITES_LIMITS.idlePages) break;
  }
  found.sort((a, b) => a.since.localeCompare(b.since));
  return { running: found.slice(0, SPRITES_LIMITS.idleCandidates).map(({ sprite }) => sprite), count };
}

function sinceOf({ last_running_at, updated_at }: ListedSprite): string {
  return last_running_at ?? updated_at ?? "";
}
