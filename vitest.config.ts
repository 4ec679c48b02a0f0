import { defineConfig } from "vitest/config";
import { LongestFirst } from "./test/support/longest-first.ts";

const globalSetup = ["test/support/sprite-bundle.ts"];
/** One module, one process or one program; everything else is the whole product, or a browser. */
const PARTS = ["test/*.test.ts", "test/{shared,edge,fleet,sprite}/**/*.test.ts"];

export default defineConfig({
  test: {
    // For two cores: many of the tests wait for real processes, and for time to pass.
    maxWorkers: 3,
    sequence: { sequencer: LongestFirst },
    // A bound for what hangs. What a test waits for has bounds of its own, which say what did not come.
    testTimeout: 90_000,
    hookTimeout: 90_000,
    projects: [
      {
        extends: true,
        test: {
          name: "parts",
          include: PARTS,
          globalSetup,
          // They share nothing but modules, whose loading would be a tenth of all the time.
          isolate: false,
        },
      },
      {
        extends: true,
        test: { name: "whole", include: ["test/**/*.test.ts"], exclude: PARTS, globalSetup },
      },
      // cojson's own storage tests, on our storage.
      "test/sprite/storage/cojson-suite/vitest.config.ts",
    ],
  },
});
