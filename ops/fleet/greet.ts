import { WebSocket } from "ws";
import type { AwakePeriod } from "../../edge/awake-periods.ts";
import type { SpriteAddress } from "../../edge/fleet/fleet.ts";
import { parseHello } from "../../shared/control.ts";
import { SpriteSyncError } from "../../shared/errors.ts";
import { splitFrame } from "../../shared/frames.ts";
import type { GroupId } from "../../shared/ids.ts";
import { LIMITS } from "../../shared/limits.ts";
import { PASS_HEADER, type PassKeys, signPass } from "../../shared/pass.ts";

/**
 * Opens a socket to a Sprite as the edge does, hears who it is, and closes it. The pass says nothing of earlier awake
 * periods, so that a Sprite with an empty disk has to refuse.
 * @throws SpriteSyncError `storage-failed` when its disk is empty, `wrong-sprite`, `transient`
 */
export async function greetSprite(
  address: SpriteAddress,
  home: GroupId,
  keys: PassKeys,
): Promise<AwakePeriod> {
  const headers = { ...address.headers, [PASS_HEADER]: await signPass({ home, session: "operator" }, keys) };
  const socket = new WebSocket(`${address.url.replace(/^http/, "ws")}/sync`, {
    headers,
    handshakeTimeout: LIMITS.dialTimeoutMs,
  });
  const { promise, resolve, reject } = Promise.withResolvers<AwakePeriod>();
  const refuse = (message: string) => reject(new SpriteSyncError("transient", message));
  socket.on("unexpected-response", (_request, response) => {
    // 421: neither the disk nor the pass knows how often it was awake.
    if (response.statusCode === 421)
      reject(
        new SpriteSyncError("storage-failed", "the copy of the disk is empty: it knows of no awake period"),
      );
    else refuse(`the Sprite answered ${response.statusCode}`);
  });
  socket.on("error", (error) => refuse(`the Sprite could not be reached: ${error.message}`));
  socket.on("close", (code) => refuse(`the Sprite closed with ${code} before it had said who it is`));
  socket.on("message", (data) => {
    // A ping may be in the same frame.
    const hello = splitFrame(String(data))
      .map(parseHello)
      .find((message) => message !== undefined);
    if (hello?.home === home) resolve({ number: hello.period, boot: hello.boot });
    else if (hello) reject(new SpriteSyncError("wrong-sprite", "another group's Sprite answered"));
  });
  const timer = setTimeout(() => refuse("the Sprite did not say who it is in time"), LIMITS.dialTimeoutMs);
  try {
    return await promise;
  } finally {
    clearTimeout(timer);
    socket.terminate();
  }
}
