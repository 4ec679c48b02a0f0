import type { ContentMessage, DoneMessage, KnownMessage, LoadMessage } from "../shared/messages.ts";
import { bytesOf } from "./budget.ts";
import { COST } from "./remembered.ts";

/** A parsed known state beside its text: 150 bytes of heap for each coSession, whose id and count are 84 characters. */
const PARSED_STATE = 2;
/** The same of content, which says of each coSession where it starts and how far it reaches. */
const COUNTED_CO_SESSION = 2 * (COST.mapEntry + COST.coSessionId);

/** What a message that waits costs in V8's heap: its text, and what was read of that. */
export function bytesOfMessage(message: ContentMessage | DoneMessage | KnownMessage | LoadMessage): number {
  const bytes = bytesOf(message.text);
  if (message.action === "done") return bytes;
  if (message.action !== "content") return (1 + PARSED_STATE) * bytes;
  return bytes + COUNTED_CO_SESSION * Object.keys(message.reaches).length;
}
