import { combineKnownStateSessions, isKnownStateSubsetOf } from "cojson/dist/knownState.js";
import type { CoValueId } from "./ids.ts";

/** Transactions known of each coSession: `coSessionID -> count`. */
export type CoSessions = Record<string, number>;

/** What one side has of a CoValue: cojson's `CoValueKnownState` without the id. */
export interface KnownState {
  header: boolean;
  sessions: CoSessions;
}

export function emptyKnownState(): KnownState {
  return { header: false, sessions: {} };
}

export function cloneKnownState(state: KnownState): KnownState {
  return { header: state.header, sessions: { ...state.sessions } };
}

/** Merges `source` into `target`, keeping the larger count of each coSession. */
export function mergeKnownState(target: KnownState, source: KnownState): KnownState {
  // cojson's own merge, so that both sides agree on what "more" means. Its parameter types are branded by session id.
  combineKnownStateSessions(target.sessions, source.sessions);
  if (source.header) target.header = true;
  return target;
}

/** What both have: the smaller count of each coSession. */
export function meetOfKnownStates(one: KnownState, other: KnownState): KnownState {
  const sessions: CoSessions = {};
  for (const [coSession, count] of Object.entries(one.sessions)) {
    const common = Math.min(count, other.sessions[coSession] ?? 0);
    if (common > 0) sessions[coSession] = common;
  }
  return { header: one.header && other.header, sessions };
}

/** Whether `state` lacks the header or at least one transaction that `other` has. */
export function isBehind(state: KnownState, other: KnownState): boolean {
  return (other.header && !state.header) || !isKnownStateSubsetOf(other.sessions, state.sessions);
}

/** A cojson `load`, `known` or correction for a CoValue, as text. */
export function knownStateMessage(
  action: "load" | "known",
  id: CoValueId,
  state: KnownState,
  extra: Readonly<Record<string, unknown>> = {},
): string {
  return JSON.stringify({ action, id, header: state.header, sessions: state.sessions, ...extra });
}
