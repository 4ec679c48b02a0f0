import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/**
 * Bundles the Sprite into `dist/sprite/main.js`: reading one file instead of several hundred saves 60 to 90 ms of each
 * cold start (facts/storage §2.3). Packages with native parts stay outside, since they find those by their own path.
 */
const NATIVE = [
  "cojson-core-napi",
  "cojson-core-rn",
  "fs-native-extensions",
  "quickbit-native",
  "rocksdb-native",
  "simdle-native",
  "sodium-native",
  "udx-native",
];

/** Bundles into `outdir`: `main.js`, `single.js`, and what they share. */
export async function buildSprite(outdir: string): Promise<void> {
  await build({
    absWorkingDir: fileURLToPath(new URL("..", import.meta.url)),
    entryPoints: ["sprite/main.ts", "sprite/single.ts"],
    outdir,
    bundle: true,
    minify: true,
    keepNames: true,
    platform: "node",
    target: "node24",
    format: "esm",
    external: NATIVE,
    // cojson's WebAssembly is read only where there is no native crypto.
    splitting: true,
    chunkNames: "[name]-[hash]",
    sourcemap: "linked",
    // CommonJS packages in an ES module bundle still call `require`.
    banner: {
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
    logLevel: "warning",
  });
}

if (import.meta.main) await buildSprite("dist/sprite");
