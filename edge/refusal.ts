import type { SpriteSyncError } from "../shared/errors.ts";
import { COST, entryBytes, type Remembered } from "./remembered.ts";
import type { ValueMessage } from "./value-message.ts";

/**
 * Why a client's message about a value that has a home is refused: there is no room for what it makes the session remember.
 * The value goes on where it was: a `load` that is refused is not answered, content is not acknowledged, so that the client
 * keeps it and sends it again on its next connection.
 * @returns `undefined` when there is room
 */
export function refusalOf(
  message: ValueMessage,
  remembered: Remembered,
  isFollowed: boolean,
): SpriteSyncError | undefined {
  const { action, id } = message;
  // A value that is not followed is not followed because of a `known`.
  if (action === "done" || (action === "known" && !isFollowed)) return undefined;
  const named = action === "content" ? message.reaches : message.state.sessions;
  const bytes = isFollowed ? 0 : COST.follow + entryBytes(Object.keys(named));
  if (remembered.fits(bytes, named)) return undefined;
  return remembered.refusal(`a \`${action}\` of ${id} was refused`);
}
