import { createRequire } from "node:module";
import type { Plugin } from "esbuild";

const require = createRequire(import.meta.url);

/**
 * Parts of Node that libraries import at once and a start does not use: clients' TLS, compression, the file system's
 * promises, worker threads. Together they cost a start 15 ms.
 */
export const LATE_BUILTINS = [
  "assert",
  "fs/promises",
  "https",
  "perf_hooks",
  "tls",
  "worker_threads",
  "zlib",
];

/** Loads parts of Node when one of their members is first used, in place of the import. */
export const lateBuiltins: Plugin = {
  name: "late-builtins",
  setup(build) {
    build.onResolve(
      { filter: new RegExp(`^(?:node:)?(?:${LATE_BUILTINS.join("|")})$`) },
      ({ path, namespace }) =>
        namespace === NAMESPACE
          ? { path, external: true }
          : { path: path.replace(/^node:/, ""), namespace: NAMESPACE },
    );
    build.onLoad({ filter: /^/, namespace: NAMESPACE }, ({ path }) => ({ contents: standIn(path) }));
  },
};

const NAMESPACE = "late-builtins";

/** The source of a CommonJS module that behaves as the part `name` of Node, and loads that when a member is first used. */
export function standIn(name: string): string {
  const real: unknown = require(name);
  const members = JSON.stringify(Object.keys(real as object));
  // `assert` is a function itself. Most of its calls find everything in order, and need none of it.
  const late =
    typeof real === "function" ? `(value, ...message) => { if (!value) load()(value, ...message); }` : "{}";
  return `const load = () => require("node:${name}");
const late = ${late};
for (const member of ${members}) {
  Object.defineProperty(late, member, { enumerable: true, configurable: true, get: () => load()[member] });
}
module.exports = late;`;
}
