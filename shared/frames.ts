import { SpriteSyncError } from "./errors.ts";
import { LIMITS } from "./limits.ts";

/**
 * The messages of one WebSocket frame: cojson-transport-ws 0.20.19 joins them by `\n` (`BatchedOutgoingMessages`).
 * @throws SpriteSyncError `bad-frame` for a binary frame, `too-large` for one over a limit. Both end the socket.
 */
export function splitFrame(data: unknown): string[] {
  if (typeof data !== "string") {
    throw new SpriteSyncError("bad-frame", "a binary frame; cojson sends text, one JSON object per line");
  }
  if (data.length > LIMITS.frameChars) {
    throw new SpriteSyncError(
      "too-large",
      `a frame of ${data.length} characters is over ${LIMITS.frameChars}`,
    );
  }
  // Split no further than that: a frame of line feeds would make a text of each of its bytes.
  const messages = data.includes("\n") ? data.split("\n", LIMITS.frameMessages + 1) : [data];
  if (messages.length > LIMITS.frameMessages) {
    throw new SpriteSyncError("too-large", `a frame of more than ${LIMITS.frameMessages} messages`);
  }
  return messages;
}

/** Messages as one frame. */
export function joinFrame(messages: readonly string[]): string {
  return messages.join("\n");
}
