import { defineConfig } from "vitest/config";

const globalSetup = ["test/support/sprite-bundle.ts"];
/** One module, one process or one program; everything else is the whole product, or a browser. */
const PARTS = ["test/*.test.ts", "test/{shared,edge,fleet,sprite}/**/*.test.ts"];

export default defineConfig({
  test: {
    // Two cores: real processes and workerd run behind many of the tests.
    maxWorkers: 2,
    testTimeout: 30_000,
    hookTimeout: 60_000,
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
