import { expect, test } from "vitest";
import { emptyKnownState, type KnownState } from "../../shared/known-state.ts";
import { StoreLedger } from "../../sprite/store-ledger.ts";

const reaches = (count: number): KnownState => ({ header: true, sessions: { s: count } });

function ledgerWith(durable: Record<string, KnownState> = {}) {
  return new StoreLedger((id) => durable[id] ?? emptyKnownState());
}

test("Stores count as settled only up to the first that has not completed", () => {
  const ledger = ledgerWith();
  const first = ledger.begin("a", reaches(1));
  const second = ledger.begin("b", reaches(1));
  const third = ledger.begin("a", reaches(2));
  ledger.complete(second);
  expect(ledger.allSettled(second)).toBe(false);
  ledger.complete(first);
  expect(ledger.allSettled(second)).toBe(true);
  expect(ledger.settled("a", first)).toBe(true);
  expect(ledger.settled("a", third)).toBe(false);
  expect(ledger.pending).toBe(1);
});

test("Stores of one CoValue do not wait for those of another", () => {
  const ledger = ledgerWith();
  ledger.begin("a", reaches(1));
  expect(ledger.settled("b", ledger.last)).toBe(true);
});

test("A lost store settles when a later one wrote what it held", () => {
  const durable: Record<string, KnownState> = {};
  const ledger = ledgerWith(durable);
  const lost = ledger.begin("a", reaches(1));
  const later = ledger.begin("a", reaches(3));
  durable.a = reaches(3);
  ledger.complete(later);
  expect(ledger.settled("a", lost)).toBe(true);
  expect(ledger.pending).toBe(0);
});

test("A lost store whose content no later one wrote never settles", () => {
  const ledger = ledgerWith({ a: reaches(3) });
  const lost = ledger.begin("a", { header: false, sessions: { other: 1 } });
  ledger.complete(ledger.begin("a", reaches(3)));
  expect(ledger.settled("a", lost)).toBe(false);
  expect(ledger.allSettled(ledger.last)).toBe(false);
});

test("Listeners hear of a completed store with its CoValue, until they stop", () => {
  const ledger = ledgerWith();
  const heard: string[] = [];
  const stop = ledger.onSettled((id) => heard.push(id));
  ledger.complete(ledger.begin("a", reaches(1)));
  stop();
  ledger.complete(ledger.begin("b", reaches(1)));
  expect(heard).toEqual(["a"]);
});
