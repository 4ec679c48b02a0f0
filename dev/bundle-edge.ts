import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const WORKER = fileURLToPath(new URL("../edge/worker.ts", import.meta.url));

/**
 * The Worker as one module of text, bundled with the conditions that wrangler uses for workerd.
 * @param entry another module with the same exports.
 */
export async function bundleEdge(entry = WORKER): Promise<string> {
  const { outputFiles } = await build({
    entryPoints: [entry],
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
