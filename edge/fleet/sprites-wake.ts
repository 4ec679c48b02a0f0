import { SpriteSyncError, toSpriteSyncError } from "../../shared/errors.ts";
import type { Log } from "../../shared/log.ts";
import type { SpriteName } from "../../shared/sprite-name.ts";
import type { SpritesApi } from "./sprites-api.ts";
import { RUNNING_CAP, type SpritesReply, spritesError } from "./sprites-errors.ts";
import { SPRITES_LIMITS } from "./sprites-limits.ts";
import type { FlySprite } from "./sprites-types.ts";
import type { Visit } from "./sprites-visit.ts";

export interface SpritesWakeDeps {
  readonly api: SpritesApi;
  readonly visit: Visit;
  readonly pause: (ms: number) => Promise<void>;
  readonly now: () => number;
  /** What the Sprite's server must say that it is. */
  readonly setupId: string;
  /** Brings the Sprite to its setup. */
  readonly install: () => Promise<void>;
  readonly log: Log;
}

/**
 * A Sprite that there surely is or surely is not. Sprites that existed were answered 404 (facts/fly-sprites §8), so one is
 * believed only after several, when the list does not have it either.
 * @throws SpriteSyncError `transient` when the two disagree.
 */
export async function findSprite(
  name: SpriteName,
  { api, pause }: Pick<SpritesWakeDeps, "api" | "pause">,
): Promise<FlySprite | undefined> {
  for (let look = 1; look <= SPRITES_LIMITS.goneLooks; look++) {
    const found = await api.get(name);
    if (found) return found;
    if (look < SPRITES_LIMITS.goneLooks) await pause(SPRITES_LIMITS.gonePauseMs);
  }
  for await (const { sprites } of api.pages(name)) {
    if (sprites.some((listed) => listed.name === name))
      throw new SpriteSyncError("transient", `${name} is listed, but answered 404 when it was looked up`);
  }
  return undefined;
}

/**
 * Wakes a Sprite and waits until its server, of the version that we want, answers behind its address. There is no call to
 * wake one and no status that could be trusted: a request wakes it, and its answer proves it (§1, §4).
 *
 * 1. A server of another version, and none at all, is brought to its setup once.
 * 2. A Sprite that does not answer for long is restarted once: its disk may hang while it is said to run (§8). Nothing more
 *    is done about it, since to make it anew is to lose its disk.
 *
 * @throws SpriteSyncError `auth` when the address does not let us in, `capacity` at the plan's running cap, `transient`.
 */
export async function reachSprite(sprite: FlySprite, name: SpriteName, deps: SpritesWakeDeps): Promise<void> {
  const { pause, now } = deps;
  const began = now();
  let installed = false;
  let restarted = false;
  let pauseMs: number = SPRITES_LIMITS.reprobeMs;
  let last = "no answer";
  while (now() - began < SPRITES_LIMITS.wakeMs) {
    const answer = await probe(sprite, name, deps);
    if (answer.there && (installed || answer.setup === deps.setupId)) return;
    if (!answer.there) last = answer.why;
    if (!installed) {
      const trouble = await tryInstall(deps);
      installed = trouble === undefined;
      last = trouble ?? last;
      if (installed) continue;
    }
    if (!restarted && now() - began >= SPRITES_LIMITS.restartAfterMs) {
      restarted = true;
      await restart(name, deps);
    }
    await pause(pauseMs);
    pauseMs = Math.min(pauseMs * 2, SPRITES_LIMITS.reprobeMaxMs);
  }
  throw new SpriteSyncError(
    "transient",
    `${name} did not answer within ${SPRITES_LIMITS.wakeMs} ms (last: ${last}); if that lasts, its disk may hang: look at it with \`sprite exec -s ${name} ls\``,
  );
}

/** @returns what stands in the way. @throws what will not pass. */
async function tryInstall({ install }: SpritesWakeDeps): Promise<string | undefined> {
  try {
    await install();
    return undefined;
  } catch (thrown) {
    const error = toSpriteSyncError(thrown, "transient");
    if (error.code !== "transient") throw error;
    return error.message;
  }
}

type Probe =
  /** Our server answers, whatever it says. */
  { readonly there: true; readonly setup: unknown } | { readonly there: false; readonly why: string };

async function probe(sprite: FlySprite, name: SpriteName, { visit }: SpritesWakeDeps): Promise<Probe> {
  let reply: SpritesReply;
  try {
    reply = await visit(sprite, "/healthz");
  } catch (error) {
    if (error instanceof SpriteSyncError) throw error;
    return { there: false, why: error instanceof Error ? error.name : "no answer" };
  }
  const { status, body } = reply;
  // Our server answers JSON, with 503 while it opens its storage; what stands before it answers prose, or a page.
  const isOurs = typeof body === "object" && body !== null && "status" in body;
  if (isOurs && (status === 200 || status === 503))
    return { there: true, setup: (body as { setup?: unknown }).setup };
  // What an address says at the running cap is not documented, and no other limit of addresses is.
  const isCap = status === 429 && body === undefined;
  const said = isCap ? { ...reply, body: { error: RUNNING_CAP } } : reply;
  const error = spritesError(`wake ${name}`, said, Date.now());
  if (error.code === "auth" || error.code === "capacity" || error.code === "rate") throw error;
  return { there: false, why: `status ${status}` };
}

async function restart(name: SpriteName, { api, log }: SpritesWakeDeps): Promise<void> {
  const health = await api
    .check(name)
    .catch((error: unknown) => toSpriteSyncError(error, "transient").message);
  log.warn({ sprite: name, health }, "the Sprite does not answer; it is restarted");
  // What the restart answers is no news either: the next probe tells.
  await api
    .restart(name)
    .catch((error: unknown) => log.warn({ sprite: name, error: String(error) }, "restart failed"));
}
