import * as awakePeriods from "../../../edge/awake-periods.ts";
import { Directory } from "../../../edge/directory.ts";
import { Follow } from "../../../edge/follow.ts";
import { Interests } from "../../../edge/interests.ts";
import { Locator } from "../../../edge/locator.ts";
import type { SessionParts } from "../../../edge/session.ts";
import type { Piece } from "../../../edge/unacknowledged.ts";
import { Upstream } from "../../../edge/upstream.ts";
import type { UpstreamDeps } from "../../../edge/upstream-deps.ts";
import type { CoValueId, GroupId } from "../../../shared/ids.ts";
import { emptyKnownState, type KnownState, knownStateMessage } from "../../../shared/known-state.ts";
import {
  type ContentMessage,
  type KnownMessage,
  type LoadMessage,
  parseMessage,
} from "../../../shared/messages.ts";
import { poolValue } from "./values.ts";

/** The edge as it is, or with one rule broken: the simulation has to notice each of those. */
export interface Variant {
  readonly name: string;
  readonly parts: SessionParts;
  readonly rules?: Pick<typeof awakePeriods, "beginsWatching" | "wasMet">;
  /** The first seed to try: it shows soon after, while the simulation draws its chances as it does now. */
  readonly since?: number;
  /** A digest is believed after a later period that left none. */
  readonly trustsOldDigests?: boolean;
  readonly Directory?: typeof Directory;
  readonly Locator?: typeof Locator;
}

/** What the parts did in the run that goes on; runs do not overlap. */
export const gauge = { replays: 0, repairs: 0, twice: 0, overflows: 0, held: 0 };

class WatchedFollow extends Follow {
  #corrected = false;

  override attach(): string {
    this.#corrected = false;
    gauge.replays++;
    return super.attach();
  }

  /** What found no room has to be asked for once more. */
  override missed(piece: Piece): boolean {
    this.#corrected = false;
    return super.missed(piece);
  }

  /** What the home asks for by itself, because it dropped something, is another question. */
  override homeCorrects(message: KnownMessage): ReturnType<Follow["homeCorrects"]> {
    this.#corrected = false;
    return super.homeCorrects(message);
  }

  /** So has what found no room before it came here. */
  override dropped(state: KnownState): boolean {
    this.#corrected = false;
    return super.dropped(state);
  }

  override homeDropped(): void {
    this.#corrected = false;
    super.homeDropped();
  }

  override refusedForNow(): void {
    this.#corrected = false;
    super.refusedForNow();
  }

  override homeKnows(message: KnownMessage): boolean {
    const corrects = super.homeKnows(message);
    if (corrects) gauge.repairs++;
    if (corrects && this.#corrected) gauge.twice++;
    if (corrects) this.#corrected = true;
    return corrects;
  }
}

class WatchedUpstream extends Upstream {
  constructor(home: GroupId, deps: UpstreamDeps) {
    const onState = (of: GroupId, kind: Upstream["state"]) => {
      if (kind === "held") gauge.held++;
      deps.onState?.(of, kind);
    };
    super(home, { ...deps, onState });
  }

  override send(message: string): boolean {
    const fits = super.send(message);
    if (!fits) gauge.overflows++;
    return fits;
  }

  override sendContent(piece: Piece, text: string): boolean {
    const fits = super.sendContent(piece, text);
    if (!fits) gauge.overflows++;
    return fits;
  }
}

const parts: SessionParts = { Follow: WatchedFollow, Upstream: WatchedUpstream, Interests };

export const AS_IT_IS: Variant = { name: "as it is", parts };

class NoReattach extends WatchedFollow {
  override attach(): string {
    super.attach();
    return knownStateMessage("load", this.id, this.state);
  }
}

class NoCorrection extends WatchedFollow {
  override homeKnows(message: KnownMessage): boolean {
    super.homeKnows(message);
    return false;
  }
}

class NoEvidence extends WatchedFollow {
  override clientSends(message: ContentMessage): Piece | undefined {
    const piece = super.clientSends(message);
    this.evidence = undefined;
    return piece;
  }
}

class NoMark extends WatchedUpstream {
  override send(message: string): boolean {
    super.send(message);
    return true;
  }

  override sendContent(piece: Piece, text: string): boolean {
    super.sendContent(piece, text);
    return true;
  }
}

class ReplicaAcks extends WatchedUpstream {
  constructor(home: GroupId, deps: UpstreamDeps) {
    super(home, {
      ...deps,
      onMessage: (from, message) => {
        const ack = message.action === "known" && !message.isCorrection;
        deps.onMessage(ack ? poolValue(message.id).home : from, message);
      },
    });
  }
}

class OwesNothing extends WatchedUpstream {
  constructor(home: GroupId, deps: UpstreamDeps) {
    super(home, { ...deps, owes: () => false });
  }
}

class ForgetsSomeRepairs extends WatchedFollow {
  override homeKnows(message: KnownMessage): boolean {
    return super.homeKnows(message) && gauge.repairs % 4 > 0;
  }
}

class TrustsTheClientsMemory extends WatchedFollow {
  override clientLoads(message: LoadMessage): void {
    super.clientLoads(message);
    this.repair = false;
  }
}

class SwallowsLost extends WatchedUpstream {
  constructor(home: GroupId, deps: UpstreamDeps) {
    super(home, { ...deps, onLost: () => undefined });
  }
}

class HoldsBackForGood extends WatchedUpstream {
  override unclogged(): void {}
}

class SleepsThroughCrashes extends WatchedUpstream {
  constructor(home: GroupId, deps: UpstreamDeps) {
    super(home, { ...deps, follows: () => false });
  }
}

class AnswersForSlowHomes extends WatchedUpstream {
  readonly #answer: (id: CoValueId) => void;

  constructor(home: GroupId, deps: UpstreamDeps) {
    super(home, deps);
    const nothing = (id: CoValueId) => parseMessage(knownStateMessage("known", id, emptyKnownState()));
    this.#answer = (id) => deps.onMessage(home, nothing(id));
  }

  override send(message: string): boolean {
    const { action, id }: { action: string; id: CoValueId } = JSON.parse(message);
    if (action === "load" && !this.open) this.#answer(id);
    return super.send(message);
  }
}

class ForgetsInterests extends Interests {
  override add(): void {}
}

class SilenceMeansNo extends Directory {
  override async lookup(ids: Iterable<CoValueId>): ReturnType<Directory["lookup"]> {
    const { homes } = await super.lookup(ids);
    return { homes, unreachable: new Set() };
  }
}

class ReportsNobody extends Locator {
  override async met(): Promise<void> {}
}

export const MUTANTS: readonly Variant[] = [
  {
    name: "a late watcher waits",
    since: 220,
    parts,
    rules: {
      ...awakePeriods,
      beginsWatching: (periods, boot) => ({ ...awakePeriods.beginsWatching(periods, boot), waits: true }),
    },
  },
  { name: "a Sprite is used before the others heard of it", parts, Locator: ReportsNobody },
  {
    name: "a replay does not ask for the durable state",
    since: 1_200,
    parts: { ...parts, Follow: NoReattach },
  },
  { name: "a Sprite that is behind leads to no correction", parts: { ...parts, Follow: NoCorrection } },
  { name: "one repair in four is forgotten", parts: { ...parts, Follow: ForgetsSomeRepairs } },
  { name: "only replays are repaired", since: 300, parts: { ...parts, Follow: TrustsTheClientsMemory } },
  { name: "an overflowed queue is dropped without a mark", parts: { ...parts, Upstream: NoMark } },
  { name: "the loss of an upstream is swallowed", parts: { ...parts, Upstream: SwallowsLost } },
  { name: "who has not read is never attached again", parts: { ...parts, Upstream: HoldsBackForGood } },
  { name: "a lost upstream is not opened again", parts: { ...parts, Upstream: SleepsThroughCrashes } },
  { name: "a replica's known counts as an acknowledgement", parts: { ...parts, Upstream: ReplicaAcks } },
  { name: "content on its way is not owed", parts: { ...parts, Follow: NoEvidence } },
  { name: "a sleep ignores what is owed", parts: { ...parts, Upstream: OwesNothing } },
  { name: "a digest survives a crash", parts, trustsOldDigests: true },
  { name: "interests are forgotten", parts: { ...parts, Interests: ForgetsInterests } },
  { name: "a slow home is answered for", parts: { ...parts, Upstream: AnswersForSlowHomes } },
  { name: "a directory that does not answer means no", parts, Directory: SilenceMeansNo },
];
