import { expect, test } from "vitest";
import lock from "../package-lock.json" with { type: "json" };

/** The name and version of a package, and what its own package.json asks of the Node that npm runs in. */
interface Locked {
  readonly version?: string;
  readonly engines?: object;
}

test("npm ci warns of no engine on any Node that the README allows", () => {
  const packages: [string, Locked][] = Object.entries(lock.packages);
  const asking = packages.filter(([path, { engines }]) => path !== "" && engines !== undefined);
  // `node dev/complete-lockfile.ts` takes them out.
  expect(asking.map(([path]) => path)).toEqual([]);
  expect(packages.length).toBeGreaterThan(900);
});
