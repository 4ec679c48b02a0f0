import { isDigestFrame, parseDigest } from "../shared/digest.ts";
import type { GroupId } from "../shared/ids.ts";
import { CLOSE } from "../shared/limits.ts";
import type { Locator } from "./locator.ts";
import type { FreshPlace, SpritePlace } from "./sprite-place.ts";
import type { SpriteSocket } from "./upstream-deps.ts";

export interface AttachDeps {
  readonly locator: Locator;
  readonly dial: (place: SpritePlace | FreshPlace) => Promise<SpriteSocket>;
  /** Aborts when the session ends: nothing that is awaited then ever settles, and what was opened has to be closed. */
  readonly ended: AbortSignal;
}

/**
 * Opens a socket to a home's Sprite, creating or waking it if need be. When this resolves, whoever watches the Sprite
 * has been told that it is awake: no news can come in by this socket that others would sleep through (design §4.3).
 * @param fresh what was cached did not work: ask the coordinator.
 * @throws SpriteSyncError, or what the coordinator threw.
 */
export async function attachSprite(
  home: GroupId,
  fresh: boolean,
  { locator, dial, ended }: AttachDeps,
): Promise<SpriteSocket> {
  const place = await locator.locate(home, fresh);
  const socket = await dial(place);
  const close = () => socket.close(1000, "the session ended");
  ended.addEventListener("abort", close);
  try {
    await locator.met(home, place, socket.period);
    return withoutDigest(socket, (frame) => {
      const digest = parseDigest(frame);
      if (digest) void locator.fellAsleep(home, socket.period.boot, digest);
    });
  } catch (error) {
    socket.close(CLOSE.overloaded, "the coordinator could not be told");
    throw error;
  } finally {
    ended.removeEventListener("abort", close);
  }
}

/** `socket`, whose last frame, if it is a digest, goes to `take` and not to the session. */
function withoutDigest(socket: SpriteSocket, take: (frame: string) => void): SpriteSocket {
  return {
    ...socket,
    listen: ({ onFrame, onClose }) =>
      socket.listen({
        onClose,
        onFrame: (data) => (isDigestFrame(data) ? take(data) : onFrame(data)),
      }),
  };
}
