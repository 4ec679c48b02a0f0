import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  backoff,
  type Effect,
  type Facts,
  FRUITLESS_ATTACHES,
  IDLE,
  isAttached,
  step,
  type UpstreamEvent,
  type UpstreamState,
} from "../../edge/upstream-state.ts";
import { LIMITS } from "../../shared/limits.ts";

const yesOrNo = [false, true] as const;

const ALL_FACTS: readonly Facts[] = yesOrNo.flatMap((waits) =>
  yesOrNo.flatMap((owes) =>
    yesOrNo.flatMap((follows) =>
      yesOrNo.flatMap((used) => yesOrNo.map((clogged) => ({ waits, owes, follows, used, clogged }))),
    ),
  ),
);

const ALL_EVENTS: readonly UpstreamEvent[] = [
  { kind: "wanted" },
  { kind: "awake" },
  { kind: "opened", boot: "b" },
  { kind: "unchanged", boot: "b" },
  { kind: "closedUnused", boot: "b", asleep: true },
  { kind: "closedUnused", boot: "b", asleep: false },
  { kind: "dialFailed", permanent: false, retryAfterMs: 0 },
  { kind: "dialFailed", permanent: true, retryAfterMs: 60_000 },
  { kind: "elapsed" },
  { kind: "repaired" },
  { kind: "lost", asleep: true },
  { kind: "lost", asleep: false },
  { kind: "stalled" },
  { kind: "noRoom" },
  { kind: "unclogged" },
  { kind: "ended" },
];

/** Past this many attempts in a row states differ in nothing but the number. */
const ATTEMPTS = 6;

interface Move {
  readonly from: UpstreamState;
  readonly event: UpstreamEvent;
  readonly facts: Facts;
  readonly state: UpstreamState;
  readonly effects: readonly Effect[];
}

/** Every step from every state that can be reached, with every event and every combination of facts. */
function everyMove(): Move[] {
  const seen = new Set<string>();
  const open: UpstreamState[] = [IDLE];
  const moves: Move[] = [];
  for (let from = open.pop(); from; from = open.pop()) {
    const key = JSON.stringify(from);
    if (seen.has(key)) continue;
    seen.add(key);
    for (const event of ALL_EVENTS) {
      for (const facts of ALL_FACTS) {
        const { state, effects } = step(from, event, facts);
        moves.push({ from, event, facts, state, effects });
        if (!("attempt" in state && state.attempt > ATTEMPTS)) open.push(state);
      }
    }
  }
  return moves;
}

const MOVES = everyMove();
const where = (broken: (move: Move) => boolean) => MOVES.filter(broken).slice(0, 3);
const kinds = (effects: readonly Effect[]) => effects.map(({ kind }) => kind);
/** Things that the client does, or that happen to the socket. */
const isLoss = ({ from, event }: Move) =>
  isAttached(from) && ["lost", "stalled", "noRoom"].includes(event.kind);

/** The dial, timer, socket and watch that a state owns. */
type Means = "dial" | "timer" | "socket" | "watch";
function meansOf(state: UpstreamState): Means | undefined {
  if (state.kind === "waking") return "dial";
  if (state.kind === "waiting") return "timer";
  if (state.kind === "asleep") return "watch";
  return isAttached(state) ? "socket" : undefined;
}

/** What is there after a step. An event that reports an end has taken its means with it. */
function meansAfter({ from, event, effects }: Move): Means[] {
  const means = new Set<Means>();
  const before = meansOf(from);
  if (before) means.add(before);
  if (before === "dial" && ["opened", "closedUnused", "dialFailed"].includes(event.kind))
    means.delete("dial");
  if (before === "dial" && event.kind === "opened") means.add("socket");
  if (before === "timer" && event.kind === "elapsed") means.delete("timer");
  if (before === "socket" && event.kind === "lost") means.delete("socket");
  for (const effect of effects) {
    if (effect.kind === "dial") means.add("dial");
    if (effect.kind === "abandonDial") means.delete("dial");
    if (effect.kind === "wait") means.add("timer");
    if (effect.kind === "stopWaiting") means.delete("timer");
    if (effect.kind === "watch") means.add("watch");
    if (effect.kind === "stopWatching") means.delete("watch");
    if (effect.kind === "close") means.delete("socket");
  }
  return [...means];
}

describe("every step of an upstream", () => {
  test("was looked at: all states are reached, by all events", () => {
    const names = ["idle", "waking", "waiting", "repairing", "open", "asleep", "held", "closed"];
    expect(new Set(MOVES.map(({ from }) => from.kind))).toEqual(new Set(names));
    expect(MOVES.length).toBeGreaterThan(10_000);
    expect(new Set(MOVES.flatMap(({ effects }) => kinds(effects))).size).toBe(11);
  });

  test("leaves exactly the means that its state owns (1)", () => {
    const owned = ({ state }: Move) => [meansOf(state)].filter(Boolean);
    expect(where((move) => JSON.stringify(meansAfter(move)) !== JSON.stringify(owned(move)))).toEqual([]);
  });

  test("never rests while something waits (2)", () => {
    const resting = ["idle", "asleep"];
    // A state that rests is left by `wanted`, which comes with everything that is queued.
    expect(
      where(
        ({ from, event, facts, state }) =>
          facts.waits &&
          resting.includes(state.kind) &&
          !(resting.includes(from.kind) && event.kind !== "wanted"),
      ),
    ).toEqual([]);
  });

  test("never rests while something is owed, but beside a Sprite that sleeps on it again and again (2, 4)", () => {
    expect(
      where(
        ({ from, event, facts, state }) =>
          facts.owes &&
          (state.kind === "idle" || state.kind === "asleep") &&
          from.kind !== state.kind &&
          !(
            event.kind === "lost" &&
            event.asleep &&
            "fruitless" in from &&
            from.fruitless >= FRUITLESS_ATTACHES
          ),
      ),
    ).toEqual([]);
  });

  test("marks what a lost socket had on its way before anything else begins, and marks nothing else (3)", () => {
    const marks = (move: Move) => kinds(move.effects).filter((kind) => kind === "markLost").length;
    expect(where((move) => marks(move) !== Number(isLoss(move)))).toEqual([]);
    const begins = ["dial", "wait", "watch", "attach"];
    expect(
      where(
        (move) =>
          isLoss(move) &&
          kinds(move.effects)
            .slice(0, kinds(move.effects).indexOf("markLost"))
            .some((kind) => begins.includes(kind)),
      ),
    ).toEqual([]);
  });

  test("lets a Sprite sleep that is owed something and gets nothing, but not when the client has sent (4)", () => {
    const owed = { waits: false, owes: true, follows: true, used: false, clogged: false };
    let state: UpstreamState = IDLE;
    const on = (event: UpstreamEvent, facts: Facts) => {
      state = step(state, event, facts).state;
      return state.kind;
    };
    const attached = (facts: Facts) => {
      on({ kind: "elapsed" }, facts);
      on({ kind: "opened", boot: "b" }, facts);
      return on({ kind: "lost", asleep: true }, facts);
    };
    on({ kind: "wanted" }, owed);
    for (let n = 0; n < FRUITLESS_ATTACHES; n++) expect(attached(owed)).toBe("waiting");
    expect(attached(owed)).toBe("asleep");
    on({ kind: "wanted" }, owed);
    expect(attached({ ...owed, used: true })).toBe("waiting");
  });

  test("dials a Sprite that was lost before it answered the replay as one whose dial failed (5)", () => {
    const facts = { waits: false, owes: true, follows: true, used: true, clogged: false };
    const repairing: UpstreamState = { kind: "repairing", attempt: 3, boot: "b", fruitless: 0 };
    expect(step(repairing, { kind: "lost", asleep: false }, facts)).toMatchObject({
      state: { kind: "waiting", attempt: 4 },
      effects: [{ kind: "markLost" }, { kind: "wait", attempt: 3 }],
    });
    const open = step(repairing, { kind: "repaired" }, facts).state;
    expect(step(open, { kind: "lost", asleep: false }, facts).state).toMatchObject({ attempt: 0 });
  });

  test("begins no dial for a client that does not read, and keeps no socket that has something new for it (6)", () => {
    const begun = ({ effects }: Move) => kinds(effects).some((kind) => kind === "dial" || kind === "attach");
    expect(where((move) => move.facts.clogged && begun(move))).toEqual([]);
    expect(where(({ event, state }) => event.kind === "noRoom" && isAttached(state))).toEqual([]);
  });

  test("attaches again for whatever there is once the client reads", () => {
    expect(
      where(
        ({ from, event, facts, state }) =>
          from.kind === "held" &&
          event.kind === "unclogged" &&
          !facts.clogged &&
          (facts.waits || facts.owes || facts.follows) !== (state.kind === "waking"),
      ),
    ).toEqual([]);
  });

  test("changes nothing once closed, and closes from every state (7)", () => {
    expect(
      where(({ from, state, effects }) => from.kind === "closed" && (state !== from || effects.length > 0)),
    ).toEqual([]);
    expect(where(({ event, state }) => event.kind === "ended" && state.kind !== "closed")).toEqual([]);
  });

  test("ends somewhere: whatever happened, with a Sprite that answers what is wanted becomes open", () => {
    const friendly: Facts = { waits: true, owes: true, follows: true, used: true, clogged: false };
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.constantFrom(...ALL_EVENTS), fc.constantFrom(...ALL_FACTS))),
        (history) => {
          let state = IDLE;
          for (const [event, facts] of history)
            if (event.kind !== "ended") ({ state } = step(state, event, facts));
          const peace: UpstreamEvent[] = [
            { kind: "unclogged" },
            { kind: "wanted" },
            { kind: "elapsed" },
            { kind: "opened", boot: "b" },
            { kind: "repaired" },
          ];
          for (const event of peace) ({ state } = step(state, event, friendly));
          expect(state.kind).toBe("open");
        },
      ),
    );
  });
});

describe("the pause before an attempt", () => {
  test("doubles up to a limit and is spread over half of itself", () => {
    expect(backoff(0, 0)).toBe(LIMITS.attachRetryMs / 2);
    expect(backoff(1, 0)).toBe(LIMITS.attachRetryMs);
    expect(backoff(50, 0.999)).toBeLessThanOrEqual(LIMITS.attachRetryMaxMs);
    expect(backoff(50, 0)).toBe(LIMITS.attachRetryMaxMs / 2);
  });
});
