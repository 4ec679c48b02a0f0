import { Budget } from "../../edge/budget.ts";
import { Follow } from "../../edge/follow.ts";
import { Follows } from "../../edge/follows.ts";
import { asHome, type CoValueId } from "../../shared/ids.ts";
import type { KnownState } from "../../shared/known-state.ts";
import { type LoadMessage, parseMessage } from "../../shared/messages.ts";
import { loadOf, manyIds, someWriter } from "../../test/support/many-values.ts";
import { newRemembered } from "../../test/support/remembered.ts";
import { usedHeap } from "../../test/support/used-heap.ts";
import type { Table } from "../table.ts";

const VALUES = 10_000;

/** What a session keeps for each value that its client follows, beside the plainest thing that could hold the same. */
export function followMemory(): Table {
  const few = Array.from({ length: 20 }, someWriter);
  const many = Array.from({ length: 500 }, someWriter);
  const pick = (from: readonly string[], n: number) => from[n % from.length] ?? "";
  const kinds: readonly (readonly [string, (n: number) => string[]])[] = [
    ["one writer, of 20", (n) => [pick(few, n)]],
    ["two writers, of 20", (n) => [pick(few, n), pick(few, n * 7 + 1)]],
    ["two writers, of 500", (n) => [pick(many, n), pick(many, n * n + 1)]],
    ["two writers, nobody’s twice", () => [someWriter(), someWriter()]],
  ];
  return {
    title: `Memory of ${VALUES} followed values (bytes of heap for each)`,
    columns: ["", "the edge", "`Map` of parsed known states"],
    rows: kinds.map(([name, writersOf]) => {
      const texts = manyIds(VALUES).map((id, n) => loadOf(id, writersOf(n)));
      const [edge, plain] = [bytesEach(texts, followAll), bytesEach(texts, rememberAll)];
      return [name, edge.toFixed(0), plain.toFixed(0)];
    }),
  };
}

function bytesEach(texts: readonly string[], keep: (texts: readonly string[]) => unknown): number {
  const before = usedHeap();
  const kept = keep(texts);
  const bytes = (usedHeap() - before) / texts.length;
  // Used after the measurement, so that it was not collected before.
  if (!kept) throw new Error("nothing was kept");
  return bytes;
}

function followAll(texts: readonly string[]): Follows {
  const [home = "" as CoValueId] = manyIds(1);
  const follows = new Follows((id, at) => new Follow(id, at), {
    kept: new Budget(0),
    remembered: newRemembered(),
  });
  for (const text of texts) {
    const message = parseMessage(text) as LoadMessage;
    const follow = follows.begin(message.id, asHome(home));
    follow.clientLoads(message);
    follow.homeKnows({ ...message, action: "known", isCorrection: false });
  }
  return follows;
}

function rememberAll(texts: readonly string[]): Map<string, KnownState> {
  return new Map(
    texts.map((text) => {
      const { id, header, sessions } = JSON.parse(text) as KnownState & { id: string };
      return [id, { header, sessions }];
    }),
  );
}
