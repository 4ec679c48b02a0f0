import fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  type Digest,
  digestMessage,
  forgetRecord,
  hasRecord,
  joinRecords,
  mergedValues,
  parseDigest,
  recordOf,
} from "../../shared/digest.ts";
import { idFromHash } from "../../shared/ids.ts";
import { emptyKnownState, type KnownState } from "../../shared/known-state.ts";
import { LIMITS } from "../../shared/limits.ts";

const id = (n: number) => idFromHash(new Uint8Array(19).map((_, index) => (n * 31 + index * 7) % 256));
const coSession = (n: number) => `${id(99)}_session_z${"abcdefgh"[n]}`;
const state = (...counts: number[]): KnownState => ({
  header: true,
  sessions: Object.fromEntries(counts.map((count, n) => [coSession(n), count])),
});
const digest = (was: string | undefined, is: string, ...records: string[]): Digest => ({
  was,
  is,
  values: joinRecords(records),
});

describe("a record", () => {
  test("is the same for the same state, in whatever order its coSessions come, and for no other", () => {
    const one = { header: true, sessions: { [coSession(0)]: 1, [coSession(1)]: 2 } };
    const turned = { header: true, sessions: { [coSession(1)]: 2, [coSession(0)]: 1 } };
    expect(recordOf(id(1), turned)).toBe(recordOf(id(1), one));
    expect(recordOf(id(1), { header: true, sessions: { ...one.sessions, [coSession(2)]: 0 } })).toBe(
      recordOf(id(1), one),
    );
    const others = [state(), state(1), state(1, 3), state(2, 2), state(1, 2, 1), emptyKnownState()];
    for (const other of others) expect(recordOf(id(1), other)).not.toBe(recordOf(id(1), one));
    expect(recordOf(id(2), one)).not.toBe(recordOf(id(1), one));
  });
});

describe("a digest", () => {
  test("survives the way to the edge; anything that is not one, or has been tampered with, does not", () => {
    const sent = digest("w", "i", recordOf(id(1), state(1)), recordOf(id(2), state(2)), forgetRecord(id(3)));
    expect(parseDigest(digestMessage(sent))).toEqual(sent);
    expect(parseDigest(digestMessage({ ...sent, was: undefined }))?.was).toBeUndefined();
    const broken: Digest[] = [
      { ...sent, values: sent.values.slice(1) },
      { ...sent, values: sent.values.slice(27) + sent.values.slice(0, 27) },
      { ...sent, values: sent.values + sent.values.slice(-27) },
      { ...sent, values: "ä".repeat(27) },
      { ...sent, is: "" },
      { ...sent, is: "x".repeat(1_000) },
      { ...sent, values: joinRecords([recordOf(id(1), state(1))]).repeat(LIMITS.digestValues + 1) },
    ];
    for (const each of broken) expect(parseDigest(digestMessage(each))).toBeUndefined();
    for (const each of ['{"type":"digest",', '{"type":"ping"}', 5, '{"type":"digest","is":1,"values":""}'])
      expect(parseDigest(each)).toBeUndefined();
  });

  test("tells nothing of two values whose ids end alike", () => {
    const record = recordOf(id(1), state(1));
    const twin = record.slice(0, 11) + recordOf(id(2), state(2)).slice(11);
    const values = mergedValues(undefined, digest(undefined, "i", record, twin));
    expect(values).toBe("");
  });

  test("of the next period adds to that of the last one when the store was not touched in between", () => {
    const known = { is: "m1", values: joinRecords([recordOf(id(1), state(1)), recordOf(id(2), state(1))]) };
    const values = mergedValues(
      known,
      digest("m1", "m2", recordOf(id(2), state(2)), recordOf(id(3), state(1))),
    );
    expect(hasRecord(values, recordOf(id(1), state(1)))).toBe(true);
    expect(hasRecord(values, recordOf(id(2), state(2)))).toBe(true);
    expect(hasRecord(values, recordOf(id(2), state(1)))).toBe(false);
    expect(hasRecord(values, recordOf(id(3), state(1)))).toBe(true);
  });

  test.each([["m0"], [undefined]])("of a period that began with another store (%s) replaces it", (was) => {
    const known = { is: "m1", values: joinRecords([recordOf(id(1), state(1))]) };
    expect(mergedValues(known, digest(was, "m2"))).toBe("");
  });

  test("takes back what an older one said of a value", () => {
    const known = { is: "m1", values: joinRecords([recordOf(id(1), state(1)), recordOf(id(2), state(1))]) };
    const values = mergedValues(known, digest("m1", "m2", forgetRecord(id(1))));
    expect(values).toBe(joinRecords([recordOf(id(2), state(1))]));
  });

  test("never holds more than its limit, and then the newer values", () => {
    const many = (from: number, states: KnownState) =>
      Array.from({ length: LIMITS.digestValues }, (_, n) => {
        const bytes = new Uint8Array(19);
        new DataView(bytes.buffer).setUint32(15, (from + n) * 2_654_435);
        return recordOf(idFromHash(bytes), states);
      });
    const newer = joinRecords(many(0, state(2)));
    const values = mergedValues(
      { is: "m1", values: joinRecords(many(5, state(1))) },
      { was: "m1", is: "m2", values: newer },
    );
    expect(values).toBe(newer);
  });
});

/**
 * A store and those digests of it that arrive. What the coordinator says last must be true, whatever happens to the disk:
 * that is modelled as the list of all writes there ever were, which is what the mark stands for.
 */
test("Over any series of periods, crashes, restored backups and lost digests, no record claims what the disk has not", () => {
  const VALUES = 4;
  const write = fc.record({ do: fc.constant("write" as const), value: fc.nat(VALUES - 1) });
  const look = fc.record({ do: fc.constant("look" as const), value: fc.nat(VALUES - 1) });
  const end = fc.constantFrom("sleep", "sleep", "crash", "lost digest" as const);
  const period = fc.record({
    begin: fc.constantFrom("same", "same", "same", "restore" as const),
    to: fc.nat(6),
    steps: fc.array(fc.oneof(write, look), { maxLength: 5 }),
    end,
    crowded: fc.boolean(),
  });
  const seen = { claims: 0, carried: 0, restored: 0 };
  fc.assert(
    fc.property(fc.array(period, { maxLength: 12 }), fc.boolean(), (periods, drop) => {
      let log: string[] = [];
      let writes = 0;
      let known: { is: string; values: string } | undefined;
      const counts = (of: readonly string[]) =>
        Array.from({ length: VALUES }, (_, n) => of.filter((entry) => entry.startsWith(`${n}:`)).length);
      const mark = (of: readonly string[]) => `m${of.join(",")}`;
      for (const { begin, to, steps, end: how, crowded } of periods) {
        if (begin === "restore" && to < log.length) {
          log = log.slice(0, to);
          seen.restored++;
        }
        const was = mark(log);
        const touched = new Set<number>();
        for (const step of steps) {
          if (step.do === "write") log = [...log, `${step.value}:${writes++}`];
          touched.add(step.value);
        }
        if (how !== "sleep") continue;
        const complete = !(crowded && drop);
        const records = [...touched].map((n) => recordOf(id(n), state(counts(log)[n] ?? 0)));
        const merged = mergedValues(known, digest(complete ? was : undefined, mark(log), ...records));
        known = { is: mark(log), values: merged };
        const now = counts(log);
        for (let n = 0; n < VALUES; n++) {
          for (let count = 0; count < 6; count++) {
            if (!hasRecord(merged, recordOf(id(n), state(count)))) continue;
            seen.claims++;
            if (!touched.has(n)) seen.carried++;
            if (now[n] !== count) return false;
          }
        }
      }
      return true;
    }),
    { numRuns: 600 },
  );
  // The run was not vacuous.
  expect(Math.min(seen.claims, seen.carried, seen.restored)).toBeGreaterThan(100);
});
