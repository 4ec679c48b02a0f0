import { BaseSequencer, type TestSpecification } from "vitest/node";

/** Files that take longest: one that begins last keeps one core busy while the other has nothing left to do. */
const LONGEST = [
  "sprite/crash/crash-loop",
  "journeys/soak/",
  "journeys/demo",
  "journeys/client-versions",
  "edge/simulation/",
  "journeys/sleep",
  "journeys/fly-sprites",
  "sprite/memory",
];

/** vitest's order (by earlier runs, where it knows any; by size), with the longest first. */
export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files);
    // Stable: the others keep vitest's order.
    return sorted.sort((one, other) => rankOf(one) - rankOf(other));
  }
}

function rankOf({ moduleId }: TestSpecification): number {
  const rank = LONGEST.findIndex((part) => moduleId.includes(`/test/${part}`));
  return rank < 0 ? LONGEST.length : rank;
}
