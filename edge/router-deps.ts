import type { CoValueId, GroupId } from "../shared/ids.ts";
import type { PlacementPolicy } from "../shared/placement.ts";
import type { Budget } from "./budget.ts";
import type { CreationProofs } from "./creation-proof.ts";
import type { Directory } from "./directory.ts";
import type { Follow } from "./follow.ts";
import type { HomeFollows } from "./home-follows.ts";
import type { Interests } from "./interests.ts";
import type { Remembered } from "./remembered.ts";
import type { SleepCheckDeps } from "./sleep-check.ts";
import type { Piece } from "./unacknowledged.ts";
import type { ValueMessage } from "./value-message.ts";

/** The router's way to one Sprite. Opening, waking and closing are the upstream's own business. */
export interface UpstreamPort {
  readonly open: boolean;
  /** Whether it is on no way to the Sprite: to send something may wake that. */
  readonly rests: boolean;
  /** Sends now, or queues and attaches. `false`: there is no room for it; what it was about needs a repair. */
  send(message: string): boolean;
  /** The same for content of the client whose home this is. Only a piece that is kept can wait. */
  sendContent(piece: Piece, text: string): boolean;
  /** Sends pieces again that the Sprite has dropped. */
  resend(pieces: readonly Piece[]): void;
  /** Every replayed `load` has been answered. */
  repaired(): void;
  /** Attaches if it is not attached, with nothing to send. */
  attach(): void;
  /** The Sprite sleeps since the end of period `boot`, and need not be woken: watches it, unless it is on its way there. */
  rest(boot: string): void;
}

export interface RouterDeps {
  readonly directory: Directory;
  readonly policy: PlacementPolicy;
  /** What makes a value a home of its own. */
  readonly proofs: CreationProofs;
  readonly upstream: (home: GroupId) => UpstreamPort;
  readonly toClient: (message: string) => void;
  /** See {@link SleepCheckDeps}. */
  readonly unchanged: SleepCheckDeps["unchanged"];
  /** Asks to be told, through {@link Router.placed}, when an id gets a home. */
  readonly want: (id: CoValueId) => void;
  readonly pause: (attempt: number) => Promise<void>;
  /** The client acknowledged a reconciliation: only this edge itself can have asked for it. */
  readonly clientAcked: (batch: string) => void;
  /** Whether a message is about the value of a mark, which exists nowhere; then it was taken. */
  readonly isAboutMark: (message: ValueMessage) => boolean;
  /** For content that homes have not acknowledged. */
  readonly unacknowledged: Budget;
  /** For what waits for the directory, or to hear whether a home has to be woken. */
  readonly pending: Budget;
  /** For what this session keeps in memory as long as its client stays. */
  readonly remembered: Remembered;
  readonly interests: Interests;
  readonly newFollow: (id: CoValueId, at: HomeFollows) => Follow;
}
