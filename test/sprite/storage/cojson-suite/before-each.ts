import { basename } from "node:path";
import { beforeEach } from "vitest";
import { EXCLUDED_TESTS } from "./selection.ts";
import { openSpares } from "./substitute.ts";

beforeEach(async ({ task, skip }) => {
  const suite = basename(task.file.filepath, ".test.ts");
  const excluded = EXCLUDED_TESTS.find((test) => test.suite === suite && test.title === task.name);
  if (excluded !== undefined) skip(excluded.reason);
  // cojson's sync tests make a storage synchronously; ours takes a moment to open.
  await openSpares(12);
});
