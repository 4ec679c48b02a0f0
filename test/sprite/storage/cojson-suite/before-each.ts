import { basename } from "node:path";
import { afterAll, beforeEach } from "vitest";
import { EXCLUDED_TESTS } from "./selection.ts";
import { openSpares, removeStores } from "./substitute.ts";

afterAll(removeStores);

beforeEach(async ({ task, skip }) => {
  const suite = basename(task.file.filepath, ".test.ts");
  const excluded = EXCLUDED_TESTS.find((test) => test.suite === suite && test.title === task.name);
  if (excluded !== undefined) skip(excluded.reason);
  // cojson's sync tests make a storage synchronously; ours takes a moment to open.
  await openSpares(12);
});
