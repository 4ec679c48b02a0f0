import { SpriteSyncError } from "../../shared/errors.ts";
import type { GroupId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { homeOfSprite, type SpriteName, spriteNameOf } from "../../shared/sprite-name.ts";
import type { RunningCount, SpritesApi } from "./sprites-api.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";
import type { ListedSprite } from "./sprites-types.ts";

export interface AdmissionDeps {
  readonly api: Pick<SpritesApi, "pages">;
  /** How long a Sprite has had nothing to do, milliseconds; `undefined` when it does not say. Must not wake it. */
  readonly idleMsOf: (name: SpriteName, home: GroupId) => Promise<number | undefined>;
  /** Asks a Sprite to sleep if it is still idle. @returns whether it does. */
  readonly askToSleep: (name: SpriteName, home: GroupId) => Promise<boolean>;
  readonly now: () => number;
  readonly log: Log;
}

export interface Admission {
  /** Does what needs a slot for the Sprite of `home`. @throws what `work` throws. */
  admit<T>(home: GroupId, work: () => Promise<T>): Promise<T>;
}

/** What all Sprites of all deployments are called. */
const PREFIX = "g-";

interface Idle {
  readonly name: SpriteName;
  readonly home: GroupId;
  readonly idleMs: number;
}

/**
 * Who waits for one of the plan's running slots, and who could give one up.
 *
 * 1. A group that met the cap waits; it has not failed. The log tells both apart and says how long the wait was.
 * 2. When the cap is met, the running Sprite that has been idle for longest is asked to sleep. Only it decides: it alone
 *    sees all its traffic (design §4.1). The platform has no call that would pause it, so its slot comes free only when
 *    the platform has noticed, 30 to 80 s later (facts/fly-sprites §4).
 * 3. Nothing is remembered that matters: another isolate, or this one after a restart, does the same from what the
 *    platform says.
 */
export function createAdmission(deps: AdmissionDeps): Admission {
  const { now, log } = deps;
  const waiting = new Map<GroupId, number>();
  let madeRoom = Number.NEGATIVE_INFINITY;

  async function refused(home: GroupId): Promise<void> {
    if (!waiting.has(home)) waiting.set(home, now());
    const sprite = spriteNameOf(home);
    if (now() - madeRoom < SPRITES_LIMITS.makeRoomMs) {
      log.info({ sprite, waiting: waiting.size }, "waits for a running slot");
      return;
    }
    madeRoom = now();
    const { count, asked } = await makeRoom(sprite, deps);
    log.warn(
      { sprite, waiting: waiting.size, ...count, asked },
      "the plan's running cap is reached; the group waits",
    );
  }

  return {
    async admit(home, work) {
      try {
        const result = await work();
        const since = waiting.get(home);
        waiting.delete(home);
        if (since !== undefined)
          log.info({ sprite: spriteNameOf(home), waitedMs: now() - since }, "got a running slot");
        return result;
      } catch (error) {
        if (error instanceof SpriteSyncError && error.code === "capacity") {
          // What goes wrong here must not hide what the caller has to know.
          await refused(home).catch((reason: unknown) =>
            log.warn({ error: String(reason) }, "no room was made"),
          );
        } else if (waiting.delete(home)) {
          log.warn({ sprite: spriteNameOf(home), error: String(error) }, "failed while it waited for a slot");
        }
        throw error;
      }
    },
  };
}

/** Asks the longest idle Sprite to sleep, then the next, until one does. */
async function makeRoom(
  wants: SpriteName,
  deps: AdmissionDeps,
): Promise<{ count: RunningCount; asked: SpriteName | undefined }> {
  const { running, count } = await runningSprites(deps.api);
  const candidates = running
    .sort((a, b) => sinceOf(a).localeCompare(sinceOf(b)))
    .flatMap(({ name }) => {
      const home = name === wants ? undefined : homeOfSprite(name);
      return home ? [{ name: spriteNameOf(home), home }] : [];
    })
    .slice(0, SPRITES_LIMITS.idleCandidates);
  const idle: Idle[] = [];
  for (let at = 0; at < candidates.length; at += SPRITES_LIMITS.idleAsksAtOnce) {
    const some = candidates.slice(at, at + SPRITES_LIMITS.idleAsksAtOnce);
    const times = await Promise.all(
      some.map(({ name, home }) => deps.idleMsOf(name, home).catch(() => undefined)),
    );
    idle.push(...some.flatMap((sprite, i) => (times[i] ? [{ ...sprite, idleMs: times[i] }] : [])));
  }
  for (const { name, home } of idle.sort((a, b) => b.idleMs - a.idleMs)) {
    if (await deps.askToSleep(name, home).catch(() => false)) return { count, asked: name };
  }
  return { count, asked: undefined };
}

async function runningSprites(
  api: Pick<SpritesApi, "pages">,
): Promise<{ running: ListedSprite[]; count: RunningCount }> {
  const running: ListedSprite[] = [];
  let count: RunningCount = { running: undefined, limit: undefined };
  let pages = 0;
  for await (const page of api.pages(PREFIX)) {
    count = page.count;
    running.push(...page.sprites.filter(({ status }) => status === "running"));
    const enough = Math.min(count.running ?? Number.POSITIVE_INFINITY, SPRITES_LIMITS.idleCandidates);
    if (running.length >= enough || ++pages === SPRITES_LIMITS.idlePages) break;
  }
  return { running, count };
}

function sinceOf({ last_running_at, updated_at }: ListedSprite): string {
  return last_running_at ?? updated_at ?? "";
}
