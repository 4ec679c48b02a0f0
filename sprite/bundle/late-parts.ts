import { dirname } from "node:path";
import type { Plugin } from "esbuild";

/** cojson's WebAssembly, in a file of its own: 600 KB that are only read where there is no native crypto. */
export const WASM_PART = "cojson-core-wasm";

/** Decodes its tables when it is imported, which takes 5 ms, for cojson's plain texts: a Sprite reads none. */
const SEGMENTER = "unicode-segmenter/grapheme";

/** Parts of libraries that a Sprite seldom uses, and that are loaded only then. */
export const lateParts: Plugin = {
  name: "late-parts",
  setup(build) {
    build.onResolve({ filter: new RegExp(`^${WASM_PART}$`) }, ({ kind }) =>
      kind === "entry-point" ? undefined : { path: `./${WASM_PART}.js`, external: true },
    );
    build.onResolve({ filter: new RegExp(`^${SEGMENTER}$`) }, async ({ resolveDir, pluginData }) => {
      if (pluginData === REAL) return undefined;
      const question = { kind: "require-call", resolveDir, pluginData: REAL } as const;
      const { path, errors } = await build.resolve(SEGMENTER, question);
      return errors.length > 0 ? { errors } : { path, namespace: NAMESPACE };
    });
    build.onLoad({ filter: /^/, namespace: NAMESPACE }, ({ path }) => ({
      contents: `export const splitGraphemes = (text) => require(${JSON.stringify(path)}).splitGraphemes(text);`,
      resolveDir: dirname(path),
    }));
  },
};

/** The client of S3, in a file of its own: 1.5 MB that only a Sprite with backups in a bucket reads, when it makes one. */
export const S3_PART = "s3-place";

/** Leaves {@link S3_PART} out of a program. */
export const lateS3: Plugin = {
  name: "late-s3",
  setup(build) {
    build.onResolve({ filter: /\/s3-place\.ts$/ }, ({ kind }) =>
      kind === "entry-point" ? undefined : { path: `./${S3_PART}.js`, external: true },
    );
  },
};

const NAMESPACE = "late-parts";
/** Marks our own question for the package itself. */
const REAL = Symbol("the package itself");
