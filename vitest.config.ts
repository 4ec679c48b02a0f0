import { defineConfig } from "vitest/config";

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
          name: "sprite-sync",
          include: ["test/**/*.test.ts"],
          globalSetup: ["test/support/sprite-bundle.ts"],
        },
      },
      // cojson's own storage tests, on our storage.
      "test/sprite/storage/cojson-suite/vitest.config.ts",
    ],
  },
});
