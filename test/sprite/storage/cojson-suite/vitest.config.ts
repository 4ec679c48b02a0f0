import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { defineProject } from "vitest/config";
import { SUITES } from "./selection.ts";

const here = dirname(fileURLToPath(import.meta.url));
const root = join(here, "../../../..");
const cojson = join(root, "node_modules/cojson/src");

/**
 * cojson's own storage tests, as shipped in its package, with our storage in place of SQLite. Their files are not
 * touched: only what they import as SQLite is resolved to ./substitute.ts.
 */
export default defineProject({
  plugins: [
    {
      name: "substitute-storage",
      enforce: "pre",
      resolveId(source, importer = "") {
        const fromTests = importer.startsWith(join(cojson, "tests"));
        if (fromTests && /^\.\.\/storage\/sqlite(Async)?$/.test(source)) return join(here, "substitute.ts");
        if (fromTests && source === "libsql") return join(here, "database-path.ts");
        if (source === "@opentelemetry/sdk-metrics") return join(here, "metrics-absent.ts");
        // One instance of cojson: the tests run its sources, and our storage must use the same configuration.
        if (source === "cojson") return join(cojson, "exports.ts");
        if (source.startsWith("cojson/dist/")) {
          return join(cojson, source.slice("cojson/dist/".length).replace(/\.js$/, ".ts"));
        }
        return undefined;
      },
    },
  ],
  test: {
    name: "cojson-storage",
    root,
    include: SUITES.map((name) => `node_modules/cojson/src/tests/${name}.test.ts`),
    exclude: [],
    // Some write down the order of messages after waiting for 10 ms, which a busy computer may need for one store.
    retry: 2,
    setupFiles: [join(here, "before-each.ts"), join(cojson, "tests/setup.ts")],
    server: { deps: { inline: [/cojson/] } },
  },
});
