import { fileURLToPath } from "node:url";
import { build } from "esbuild";

/** The Worker as one module of text, bundled with the conditions that wrangler uses for workerd. */
export async function bundleEdge(): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [fileURLToPath(new URL("../edge/worker.ts", import.meta.url))],
    bundle: true,
    write: false,
    format: "esm",
    target: "es2024",
    mainFields: ["browser", "module", "main"],
    conditions: ["workerd", "worker", "browser"],
    external: ["cloudflare:*", "node:*"],
    logLevel: "warning",
  });
  const [bundle] = outputFiles;
  if (!bundle) throw new Error("esbuild made no bundle of the edge");
  return bundle.text;
}
