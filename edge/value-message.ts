import type { CoValueId } from "../shared/ids.ts";
import { emptyKnownState, type KnownState, knownStateMessage } from "../shared/known-state.ts";
import type { ContentMessage, DoneMessage, KnownMessage, LoadMessage } from "../shared/messages.ts";

/** A client's message about one CoValue. */
export type ValueMessage = LoadMessage | KnownMessage | ContentMessage | DoneMessage;

/** Whether an empty load says the same: a client that has nothing asks, or one that has lost what it had. */
export function isQuestion(message: ValueMessage): boolean {
  return (
    (message.action === "load" && !message.state.header) ||
    (message.action === "known" && message.isCorrection)
  );
}

/** What the client has, as far as a message tells. */
export function reachOf(message: ValueMessage): KnownState {
  if (message.action === "content") return { header: true, sessions: message.reaches };
  return message.action === "done" ? emptyKnownState() : message.state;
}

export function emptyLoad(id: CoValueId): LoadMessage {
  const state = emptyKnownState();
  return { action: "load", id, state, text: knownStateMessage("load", id, state) };
}

export function isContent(message: ValueMessage): message is ContentMessage {
  return message.action === "content";
}

export function hasHeader(message: ValueMessage): message is ContentMessage {
  return message.action === "content" && message.header !== undefined;
}
