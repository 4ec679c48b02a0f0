import type { SpriteSyncError } from "../shared/errors.ts";
import type { GroupId } from "../shared/ids.ts";
import type { Log } from "../shared/log.ts";
import type { ContentMessage, Message } from "../shared/messages.ts";
import type { AwakePeriod } from "./awake-periods.ts";
import type { Budget } from "./budget.ts";
import type { Piece } from "./unacknowledged.ts";
import type { UpstreamState } from "./upstream-state.ts";

/** An open socket to a Sprite that has said who it is. */
export interface SpriteSocket {
  readonly period: AwakePeriod;
  send(frame: string): void;
  close(code: number, reason: string): void;
  /** Called at most once each, from the moment this is set; `onFrame` for every frame behind the hello. */
  listen(handlers: { onFrame: (data: unknown) => void; onClose: (code: number) => void }): void;
}

export interface UpstreamDeps {
  /** Finds, creates or wakes the Sprite and dials it. `fresh`: what was cached did not work. */
  readonly dial: (home: GroupId, fresh: boolean) => Promise<SpriteSocket>;
  /** Calls back once when the Sprite is awake in another period than `boot`. Returns how to stop watching. */
  readonly watch: (home: GroupId, boot: string, onAwake: () => void) => () => void;
  readonly onMessage: (home: GroupId, message: Message) => void;
  /** Whether there is something in this content that the client has not. */
  readonly isNews: (content: ContentMessage) => boolean;
  /** What to send before what waits, on a socket that has just opened or after the queue was dropped. */
  readonly onAttached: (home: GroupId) => Iterable<string>;
  /** What was sent on the last socket, and is sent again on this one behind that. */
  readonly unacknowledged: (home: GroupId) => Piece[];
  readonly onLost: (home: GroupId) => void;
  /** Whether something is owed to or by this home. */
  readonly owes: (home: GroupId) => boolean;
  readonly follows: (home: GroupId) => boolean;
  /** Whether some replayed `load` has not been answered. */
  readonly repairs: (home: GroupId) => boolean;
  /** Whether the client leaves unread what it is sent. `Upstream.unclogged` says when it no longer does. */
  readonly clogged: () => boolean;
  /** What it is doing is another thing now. */
  readonly onState?: (home: GroupId, kind: UpstreamState["kind"]) => void;
  /** An error that the client should see; the upstream goes on trying. */
  readonly onTrouble: (home: GroupId, error: SpriteSyncError) => void;
  readonly now: () => number;
  /** Runs `action` after about `ms`; returns how to cancel. */
  readonly later: (ms: number, action: () => void) => () => void;
  /** 0 ≤ x < 1. */
  readonly random: () => number;
  /** For what waits until the Sprite takes it. */
  readonly queue: Budget;
  /** Charged with what was sent and the Sprite has not worked off. */
  readonly flight: Budget;
  /** How much of that there may be before more of it waits here (bytes), and how often the Sprite is asked. */
  readonly unreadBytes: number;
  readonly markBytes: number;
  readonly log: Log;
}
