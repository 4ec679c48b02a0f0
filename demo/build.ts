import { mkdir, readFile, rm, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { build, type Metafile } from "esbuild";

const HERE = fileURLToPath(new URL(".", import.meta.url));

/**
 * Builds the demo page into `outdir`, which is emptied first: `index.html` and an `assets` folder whose file names
 * carry a hash of their content and may be cached for ever. cojson's WebAssembly is inside the script, as a data URL.
 */
export async function buildDemo(outdir: string): Promise<void> {
  await rm(outdir, { recursive: true, force: true });
  await mkdir(outdir, { recursive: true });
  const { metafile } = await build({
    absWorkingDir: HERE,
    entryPoints: { app: "src/main.ts", style: "style.css" },
    outdir: join(outdir, "assets"),
    entryNames: "[name]-[hash]",
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2023",
    // jazz-tools reads it to tell development from production.
    define: { "process.env.NODE_ENV": '"production"' },
    metafile: true,
    logLevel: "warning",
  });
  const page = await readFile(join(HERE, "index.html"), "utf8");
  await writeFile(
    join(outdir, "index.html"),
    page
      .replace("%STYLE%", assetFor(metafile, "style.css"))
      .replace("%SCRIPT%", assetFor(metafile, "src/main.ts")),
  );
}

/** The page-relative address of the file an entry point was built into. */
function assetFor(metafile: Metafile, entryPoint: string): string {
  const found = Object.entries(metafile.outputs).find(([, output]) => output.entryPoint === entryPoint);
  if (!found) throw new Error(`esbuild made no file for ${entryPoint}`);
  return `assets/${basename(found[0])}`;
}

if (import.meta.main) {
  const outdir = process.argv[2] ?? join(HERE, "..", "dist", "demo");
  await buildDemo(outdir);
  console.log(`built the demo page into ${outdir}`);
}
