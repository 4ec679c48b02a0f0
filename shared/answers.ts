import { errorMessage } from "./control.ts";
import { SpriteSyncError, toSpriteSyncError } from "./errors.ts";
import { ID_HASH_BYTES } from "./ids.ts";
import { scanObject, skipSpace } from "./json-scan.ts";
import { LIMITS } from "./limits.ts";
import type { ImpossibleMessage } from "./messages.ts";
import { parseJson } from "./parse-json.ts";

const RULE = `a CoValue id is co_z and the base58 of ${ID_HASH_BYTES} bytes`;

/**
 * The answer to a message about an id that no header can hash to. A `load` hears that there is no such CoValue, as a cojson
 * server answers it, because its client waits for that; anything else is an error that names the id. Needs no directory and
 * no Sprite, and nothing is remembered.
 */
export function answerImpossible({ about, id }: ImpossibleMessage): string {
  if (about !== "load") return errorMessage(new SpriteSyncError("bad-message", `${RULE}; this is none`), id);
  if (id.length <= LIMITS.echoedIdChars) {
    return JSON.stringify({ action: "known", id, header: false, sessions: {} });
  }
  const reason = `${RULE}; one of ${id.length} characters is not answered, only up to ${LIMITS.echoedIdChars} are`;
  return errorMessage(new SpriteSyncError("bad-message", reason), id);
}

/** The answer to a text that `parseMessage` threw at, or that was refused: the error, with the id that the text names. */
export function answerUnreadable(error: unknown, text: string): string {
  return errorMessage(toSpriteSyncError(error, "bad-message"), idIn(text));
}

/** How far the `id` of a message is looked for that is not JSON, or too long to be read. */
const HEAD_CHARS = 1_000;

/** The `id` of a message that was refused, to name it in the error; `undefined` when it has none. Never throws. */
export function idIn(text: string): string | undefined {
  try {
    if (text.length <= LIMITS.messageChars) return scannedId(text);
  } catch {
    // Not JSON as a whole: what stands at its beginning may still tell.
  }
  return /"id"\s*:\s*"([^"\\]*)"/.exec(text.slice(0, HEAD_CHARS))?.[1];
}

function scannedId(text: string): string | undefined {
  let id: unknown;
  scanObject(text, skipSpace(text, 0), (name, { start, end }) => {
    if (name === "id") id = parseJson(text.slice(start, end));
  });
  return typeof id === "string" ? id : undefined;
}
