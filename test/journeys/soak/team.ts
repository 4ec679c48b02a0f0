import type { RawCoID } from "cojson";
import type { SpriteName } from "../../../shared/sprite-name.ts";

/** A group that everyone may write to, with its Sprite. */
export interface Team {
  readonly id: RawCoID;
  readonly sprite: SpriteName;
  readonly values: Value[];
  /** A group of another home that this one extends: its Sprite follows it through the edge. */
  readonly parent: RawCoID | undefined;
  /** What is being done to its Sprite; one thing at a time. */
  trouble: string | undefined;
  /** Nobody writes to it, so that its Sprite can fall asleep. */
  silent: boolean;
}

/** A CoValue of a team. */
export interface Value {
  readonly id: RawCoID;
  readonly kind: "map" | "list";
  readonly team: Team;
  /** Its creation was acknowledged once: whoever asks for it now must get it. */
  announced: boolean;
}
