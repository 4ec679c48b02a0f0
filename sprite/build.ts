import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { basename, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { checksumOf, compiledFileOf } from "./bundle/code-cache.ts";
import { lateBuiltins } from "./bundle/late-builtins.ts";
import { lateParts, WASM_PART } from "./bundle/late-parts.ts";
import { nativeAddons } from "./bundle/native-addons.ts";
import { tryProgram } from "./bundle/trial.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const RECORDER = fileURLToPath(new URL("./bundle/recorder.ts", import.meta.url));

const COMMON = {
  absWorkingDir: ROOT,
  bundle: true,
  platform: "node",
  target: "node24",
  // Not minified: with compiled code beside it the size of the source hardly counts, and stack traces can be read.
  legalComments: "none",
  charset: "ascii",
  loader: { ".node": "copy" },
  assetNames: "[name]-[hash]",
  // Only other platforms have the one, and no Sprite has peers for the other.
  external: ["cojson-core-rn", "udx-native"],
  plugins: [nativeAddons, lateParts, lateBuiltins],
  metafile: true,
  logLevel: "warning",
} as const satisfies BuildOptions;

/** CommonJS: ES modules start 60 ms later, most of it because importing `node:http` as one loads Node's `fetch`. */
const PROGRAM = {
  ...COMMON,
  format: "cjs",
  entryNames: "[name]-[hash]",
  sourcemap: "linked",
  // Named by what it is built with, too: code that another Node has compiled is of no use.
  banner: {
    js: `/* Node ${process.version} */(function(exports,require,module,__filename,__dirname){`,
  },
  footer: { js: "})" },
} as const satisfies BuildOptions;

/**
 * Bundles the Sprite into `directory`: `main.js` and `single.js` as programs that start fast, `cli.js` with its parts loaded
 * as they are needed, and native parts for the platform that this runs on. Nothing else is needed to run them.
 * @throws Error when the bundled Sprite does not work.
 */
export async function buildSprite(directory: string): Promise<void> {
  const outdir = resolve(ROOT, directory);
  await mkdir(outdir, { recursive: true });
  const main = await buildProgram("sprite/main.ts", outdir);
  const single = await buildProgram("sprite/single.ts", outdir);
  const parts = await build({ ...COMMON, format: "cjs", entryPoints: { [WASM_PART]: WASM_PART }, outdir });
  const cli = await buildCli(outdir);
  await writeFile(join(outdir, "package.json"), `${JSON.stringify({ type: "commonjs" })}\n`);
  // Otherwise the same bundle has been tried before.
  if (!existsSync(compiledFileOf(main.file))) await tryProgram([RECORDER, main.file]);
  // Last, so that they never name what is not there yet.
  await buildLauncher("main", main.file, checksumOf(await readFile(compiledFileOf(main.file))), outdir);
  await buildLauncher("single", single.file, 0, outdir);
  const written = [main, single, { outputs: parts.metafile.outputs }, cli].flatMap(({ outputs }) =>
    Object.keys(outputs).map((output) => basename(output)),
  );
  await removeOld(outdir, [
    ...written,
    basename(compiledFileOf(main.file)),
    "package.json",
    "main.js",
    "single.js",
  ]);
}

interface Output {
  readonly outputs: Readonly<Record<string, unknown>>;
}

async function buildProgram(source: string, outdir: string): Promise<Output & { readonly file: string }> {
  const entryPoints = { [`${basename(source, ".ts")}-program`]: source };
  const { metafile } = await build({ ...PROGRAM, entryPoints, outdir });
  const [output] = Object.entries(metafile.outputs).find(([, { entryPoint }]) => entryPoint === source) ?? [];
  if (output === undefined) throw new Error(`${source} was not bundled`);
  return { file: resolve(ROOT, output), outputs: metafile.outputs };
}

/** A program that runs another one from its compiled code. */
async function buildLauncher(name: string, program: string, checksum: number, outdir: string): Promise<void> {
  const define = { PROGRAM: JSON.stringify(basename(program)), CHECKSUM: String(checksum) };
  await build({
    ...COMMON,
    format: "cjs",
    entryPoints: { [name]: "sprite/bundle/launch.ts" },
    define,
    outdir,
  });
}

/** Its start need not be fast, but what a command does not need, such as the library for backups, stays unread. */
async function buildCli(outdir: string): Promise<Output> {
  const { metafile } = await build({
    ...COMMON,
    format: "esm",
    splitting: true,
    entryPoints: { "cli-program": "sprite/storage/cli.ts" },
    outExtension: { ".js": ".mjs" },
    chunkNames: "cli-[name]-[hash]",
    banner: {
      // CommonJS packages in an ES module bundle still call `require`.
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
    outdir,
  });
  await writeFile(join(outdir, "cli.js"), 'import("./cli-program.mjs");\n');
  return { outputs: { ...metafile.outputs, "cli.js": {} } };
}

/** Removes what earlier builds have left, but not what a Sprite that is just starting may still read. */
async function removeOld(outdir: string, kept: readonly string[]): Promise<void> {
  const others = (await readdir(outdir)).filter(
    (name) => NAMED_BY_CONTENT.test(name) && !kept.includes(name),
  );
  for (const name of others) {
    const { mtimeMs } = await stat(join(outdir, name));
    if (Date.now() - mtimeMs > KEEP_MS) await rm(join(outdir, name), { force: true });
  }
}

const NAMED_BY_CONTENT = /-[A-Z0-9]{8}\./;
const KEEP_MS = 3_600_000;

if (import.meta.main) await buildSprite("dist/sprite");
