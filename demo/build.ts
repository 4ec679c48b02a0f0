import { mkdir, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";
import { defineCommand } from "../cli/command.ts";
import { main } from "../cli/main.ts";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/** How long what earlier builds made is kept for those who still read it (ms). */
const KEEP_MS = 3_600_000;

/**
 * Builds the demo page into `outdir`: `index.html` and an `assets` folder whose file names carry a hash of their content
 * and may be cached for a year. cojson's WebAssembly is inside the script, as a data URL.
 *
 * Others may be serving or copying what is there: assets are only added, a name always has a whole file behind it, and
 * `index.html` comes last. Assets that no build of the last hour has made are removed.
 */
export async function buildDemo(outdir: string): Promise<void> {
  const { metafile, outputFiles } = await build({
    absWorkingDir: HERE,
    entryPoints: { app: "src/main.ts", style: "style.css" },
    outdir: join(outdir, "assets"),
    entryNames: "[name]-[hash]",
    bundle: true,
    write: false,
    minify: true,
    format: "esm",
    target: "es2023",
    // jazz-tools reads it to tell development from production.
    define: { "process.env.NODE_ENV": '"production"' },
    metafile: true,
    logLevel: "warning",
  });
  await mkdir(join(outdir, "assets"), { recursive: true });
  for (const { path, contents } of outputFiles) await put(path, contents);
  const page = await readFile(join(HERE, "index.html"), "utf8");
  await put(
    join(outdir, "index.html"),
    page
      .replace("%STYLE%", assetFor(metafile, "style.css"))
      .replace("%SCRIPT%", assetFor(metafile, "src/main.ts")),
  );
  await removeOld(join(outdir, "assets"));
}

async function put(file: string, contents: Uint8Array | string): Promise<void> {
  const unfinished = `${file}.${process.pid}.new`;
  await writeFile(unfinished, contents);
  await rename(unfinished, file);
}

/** Each build writes its files again, so that an old one is of no new build. */
async function removeOld(assets: string): Promise<void> {
  for (const name of await readdir(assets)) {
    const file = join(assets, name);
    // Another build may be removing it as well.
    const { mtimeMs } = await stat(file).catch(() => ({ mtimeMs: Date.now() }));
    if (Date.now() - mtimeMs > KEEP_MS) await rm(file, { force: true });
  }
}

/** The page-relative address of the file an entry point was built into. */
function assetFor(metafile: Metafile, entryPoint: string): string {
  const found = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === entryPoint);
  if (!found) throw new Error(`esbuild made no file for ${entryPoint}`);
  return `assets/${basename(found[0])}`;
}

/** `npm run build:demo`. */
export const BUILD_DEMO = defineCommand({
  name: "build:demo",
  about: "Builds the demo page.",
  operands: [{ name: "FOLDER", about: "where it is put (default dist/demo)" }],
  options: {},
  async run(_values, [outdir = join(HERE, "..", "dist", "demo")], { print }) {
    await buildDemo(outdir);
    print(`built the demo page into ${outdir}`);
    return undefined;
  },
});

if (import.meta.main) await main(BUILD_DEMO);
