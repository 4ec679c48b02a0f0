import { expect, test } from "vitest";
import { segmentsToKeep } from "../../../../sprite/storage/backup/generation-choice.ts";
import { randomOf } from "../random.ts";

const LIMIT = 1_000_000_000;

test("however many backups there are, few segments remain and each byte is written a few times", () => {
  const seed = Date.now() % 1_000_000;
  const random = randomOf(seed);
  for (const sizeOf of [
    () => 200_000,
    () => random() * 1_000_000,
    () => 1_000_000 * random() ** 8,
    () => 10,
  ]) {
    let segments: { bytes: number }[] = [];
    let added = 0;
    let written = 0;
    for (let backup = 0; backup < 1_000; backup++) {
      const bytes = sizeOf();
      added += bytes;
      const keep = segmentsToKeep(segments, bytes, LIMIT);
      const joined = segments.slice(keep).reduce((sum, segment) => sum + segment.bytes, bytes);
      segments = [...segments.slice(0, keep), { bytes: joined }];
      written += joined;
    }
    expect(segments.length, `seed ${seed}`).toBeLessThanOrEqual(16);
    const rewrites = written / Math.max(added, 64 * 1024 * 1_000);
    expect(rewrites, `seed ${seed}`).toBeLessThanOrEqual(12);
    expect(segments.reduce((sum, { bytes }) => sum + bytes, 0)).toBeCloseTo(added, 0);
  }
});

test("segments that are full stay as they are", () => {
  const full = { bytes: 8_000_000 };
  expect(segmentsToKeep([full, full], 8_000_000, 8_388_608)).toBe(2);
  expect(segmentsToKeep([full, { bytes: 100 }, { bytes: 100 }], 100, 8_388_608)).toBe(1);
  expect(segmentsToKeep([], 100, 8_388_608)).toBe(0);
});
