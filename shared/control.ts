import { ERROR_TABLE, type ErrorCode, type SpriteSyncError } from "./errors.ts";
import { type CoValueId, type GroupId, parseCoValueId } from "./ids.ts";
import { parseJson } from "./parse-json.ts";

/**
 * Messages beside cojson's protocol. They carry `type` and no `action`, which cojson-transport-ws ignores, so all of
 * them may also reach a browser unharmed.
 */

/** Proof of life; cojson clients hang up after 10 s without a frame and may sync their clock from `time` (ms). */
export function pingMessage(now: number, dc: string): string {
  return JSON.stringify({ type: "ping", time: now, dc });
}

/** A Sprite's first message on an upstream: who it is. The edge calls it ready only now (design §6). */
export interface Hello {
  readonly type: "hello";
  readonly home: GroupId;
  /** Random, new with each process: tells one awake period from the next. */
  readonly boot: string;
  /** The Sprite's count of its awake periods: later ones have larger numbers. */
  readonly period: number;
  readonly version: string;
}

export function helloMessage(hello: Omit<Hello, "type">): string {
  return JSON.stringify({ type: "hello", ...hello } satisfies Hello);
}

/** @returns the hello in `text`, or `undefined` when it is something else. */
export function parseHello(text: string): Hello | undefined {
  try {
    const value = parseJson(text) as Partial<Hello> | null;
    const complete =
      value?.type === "hello" &&
      typeof value.home === "string" &&
      typeof value.boot === "string" &&
      Number.isSafeInteger(value.period) &&
      typeof value.version === "string";
    return complete ? (value as Hello) : undefined;
  } catch {
    return undefined;
  }
}

/** Frames what the edge sends first on an upstream: what the client wrote while there was none. */
export type CatchUpPhase = "begin" | "end";

export function catchUpMessage(phase: CatchUpPhase): string {
  return JSON.stringify({ type: "catch-up", phase });
}

/** @returns the phase in a control message, or `undefined` when it is another message. */
export function parseCatchUp(text: string): CatchUpPhase | undefined {
  const { type, phase } = parseJson(text) as { type?: unknown; phase?: unknown };
  return type === "catch-up" && (phase === "begin" || phase === "end") ? phase : undefined;
}

/** What a session's upstream to a Sprite shows of it: `waking` is finding, creating or waking it, and connecting. */
export type SpriteState = "awake" | "waking" | "asleep";

/** Tells a client that asked for it (`?tell=sprites`) about the Sprite of a group that it follows. */
export function spriteMessage(home: GroupId, state: SpriteState): string {
  return JSON.stringify({ type: "sprite", home, state });
}

/**
 * Tells the other side which message was refused and why. Clients ignore it; people read it in the frame inspector.
 * @param id what the message was about; a longer text than any id is cut, and ends in "…".
 * @param home whose Sprite cannot serve for now, whatever is asked of it.
 */
export function errorMessage(error: SpriteSyncError, id?: string, home?: GroupId): string {
  const shown = id && id.length > SHOWN_ID_CHARS ? `${id.slice(0, SHOWN_ID_CHARS)}…` : id;
  return JSON.stringify({
    type: "error",
    code: error.code,
    id: shown?.toWellFormed(),
    home,
    message: error.message,
  });
}

/**
 * Whether the Sprite of `home` takes writes: `ok` ends what an error `storage-failed` of the same home began.
 * @param home `undefined` where one server has all groups.
 */
export function storageMessage(home: GroupId | undefined, state: "ok"): string {
  return JSON.stringify({ type: "storage", home, state });
}

/** @returns whether a disk is said to fail or to take writes again, and whose; `undefined` for any other text. */
export function parseStorageNews(
  text: string,
): { readonly home: unknown; readonly fails: boolean } | undefined {
  const { type, code, id, home, state } = parseJson(text) as Record<string, unknown>;
  if (type === "storage" && state === "ok") return { home, fails: false };
  if (type === "error" && code === "storage-failed" && id === undefined) return { home, fails: true };
  return undefined;
}

/** A CoValue id has at most 30. */
const SHOWN_ID_CHARS = 64;

/** What an error message says; `retry`: whether sending the same again can help. */
export interface Complaint {
  readonly id: CoValueId | undefined;
  readonly code: string;
  readonly retry: boolean;
}

/** @returns `undefined` for anything but an error message. */
export function parseError(text: string): Complaint | undefined {
  const value = parseJson(text) as { type?: unknown; code?: unknown; id?: unknown };
  if (value.type !== "error" || typeof value.code !== "string") return undefined;
  const known = value.code in ERROR_TABLE ? ERROR_TABLE[value.code as ErrorCode] : undefined;
  return { id: parseCoValueId(value.id), code: value.code, retry: known?.retry ?? true };
}
