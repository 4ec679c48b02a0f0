import { existsSync } from "node:fs";
import { mkdir, readFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { basename, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { type BuildOptions, build } from "esbuild";
import { defineCommand } from "../cli/command.ts";
import { main } from "../cli/main.ts";
import { checksumOf, compiledFileOf } from "./bundle/code-cache.ts";
import { lateBuiltins } from "./bundle/late-builtins.ts";
import { lateParts, lateS3, S3_PART, WASM_PART } from "./bundle/late-parts.ts";
import { nativeAddons } from "./bundle/native-addons.ts";
import { BundleDirectory } from "./bundle/output.ts";
import { tryProgram } from "./bundle/trial.ts";

const ROOT = fileURLToPath(new URL("..", import.meta.url));
const RECORDER = fileURLToPath(new URL("./bundle/recorder.ts", import.meta.url));

/** Native parts by name, and where they come from. */
type Addons = Map<string, string>;

/**
 * Bundles the Sprite into `directory`: `main.js` and `single.js` as programs that start fast, `cli.js` with its parts loaded
 * as they are needed, and native parts for the platform that this runs on. Nothing else is needed to run them, and Sprites may
 * run from there meanwhile.
 * @throws Error when the bundled Sprite does not work.
 */
export async function buildSprite(directory: string): Promise<void> {
  // First, because esbuild would bury what is wrong when a library of the system is missing.
  createRequire(import.meta.url)("hypercore-storage");
  const output = new BundleDirectory(resolve(ROOT, directory));
  await mkdir(output.path, { recursive: true });
  const addons: Addons = new Map();
  const program = await buildProgram("sprite/main.ts", output, addons);
  const single = await buildProgram("sprite/single.ts", output, addons);
  await buildPart(WASM_PART, WASM_PART, output);
  await buildPart(S3_PART, "sprite/storage/backup/s3-place.ts", output);
  await buildCli(output, addons);
  for (const [name, source] of addons) await output.putCopy(name, source);
  await output.putFile("package.json", `${JSON.stringify({ type: "commonjs" })}\n`);
  const compiled = compiledFileOf(program);
  output.keep(basename(compiled));
  // Otherwise the same bundle has been tried before.
  if (!existsSync(compiled)) await tryProgram([RECORDER, program]);
  // Last, so that they never name what is not there yet.
  await buildLauncher("main", program, checksumOf(await readFile(compiled)), output);
  await buildLauncher("single", single, 0, output);
  await output.removeOld();
}

function common(addons: Addons) {
  return {
    absWorkingDir: ROOT,
    bundle: true,
    write: false,
    platform: "node",
    target: "node24",
    // Not minified: with compiled code beside it the size of the source hardly counts, and stack traces can be read.
    legalComments: "none",
    charset: "ascii",
    // Only other platforms have the one, and no Sprite has peers for the other.
    external: ["cojson-core-rn", "udx-native"],
    plugins: [nativeAddons(addons), lateParts, lateBuiltins],
    logLevel: "warning",
  } as const satisfies BuildOptions;
}

/** Loads it with `require`: code that V8 compiled before has no `import()`. */
function withS3Apart(addons: Addons) {
  const options = common(addons);
  return {
    ...options,
    plugins: [...options.plugins, lateS3],
    supported: { "dynamic-import": false },
  } as const satisfies BuildOptions;
}

/**
 * CommonJS: ES modules start 60 ms later, most of it because importing `node:http` as one loads Node's `fetch`.
 * @returns the bundle's file.
 */
async function buildProgram(source: string, output: BundleDirectory, addons: Addons): Promise<string> {
  const { outputFiles } = await build({
    ...withS3Apart(addons),
    format: "cjs",
    entryPoints: { [`${basename(source, ".ts")}-program`]: source },
    entryNames: "[name]-[hash]",
    sourcemap: "linked",
    // Named by what it is built with, too: code that another Node has compiled is of no use.
    banner: {
      js: `/* Node ${process.version} */(function(exports,require,module,__filename,__dirname){`,
    },
    footer: { js: "})" },
    outdir: output.path,
  });
  await output.put(outputFiles);
  const program = outputFiles.find(({ path }) => path.endsWith(".js"));
  if (!program) throw new Error(`${source} was not bundled`);
  return program.path;
}

/** A program that runs another one from its compiled code. */
async function buildLauncher(
  name: string,
  program: string,
  checksum: number,
  output: BundleDirectory,
): Promise<void> {
  const { outputFiles } = await build({
    ...common(new Map()),
    // A dozen lines, which are read at each start.
    minifySyntax: true,
    format: "cjs",
    entryPoints: { [name]: "sprite/bundle/launch.ts" },
    define: { PROGRAM: JSON.stringify(basename(program)), CHECKSUM: String(checksum) },
    outdir: output.path,
  });
  await output.put(outputFiles);
}

/** What programs load only when they need it. */
async function buildPart(name: string, source: string, output: BundleDirectory): Promise<void> {
  const { outputFiles } = await build({
    ...common(new Map()),
    format: "cjs",
    entryPoints: { [name]: source },
    outdir: output.path,
  });
  await output.put(outputFiles);
}

/** Its start need not be fast, but what a command does not need, such as the library for backups, stays unread. */
async function buildCli(output: BundleDirectory, addons: Addons): Promise<void> {
  const { outputFiles } = await build({
    ...common(addons),
    format: "esm",
    splitting: true,
    entryPoints: { "cli-program": "sprite/storage/cli.ts" },
    outExtension: { ".js": ".mjs" },
    chunkNames: "cli-[name]-[hash]",
    banner: {
      // CommonJS packages in an ES module bundle still call `require`.
      js: 'import { createRequire as makeRequire } from "node:module"; const require = makeRequire(import.meta.url);',
    },
    outdir: output.path,
  });
  await output.put(outputFiles);
  await output.putFile("cli.js", 'import("./cli-program.mjs");\n');
}

/** `npm run build:sprite`. */
export const BUILD_SPRITE = defineCommand({
  name: "build:sprite",
  about: "Bundles the Sprite into dist/sprite, and tries whether it works.",
  options: {},
  async run() {
    await buildSprite("dist/sprite");
    return undefined;
  },
});

if (import.meta.main) await main(BUILD_SPRITE);
