import { expect, test } from "vitest";
import { RecentIds } from "../../edge/recent-ids.ts";
import { idFromHash } from "../../shared/ids.ts";

const id = (n: number) => idFromHash(new Uint8Array(19).fill(n));

test("the ids that a client never answers for are forgotten, the oldest first", () => {
  const asked = new RecentIds(2);
  for (const n of [1, 2, 2, 3]) asked.add(id(n));
  expect([1, 2, 3].map((n) => asked.delete(id(n)))).toEqual([false, true, true]);
  expect(asked.delete(id(3))).toBe(false);
});
