import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildDemo } from "../../demo/build.ts";
import { startPlainServer } from "../support/plain-server.ts";
import { serveFolder } from "../support/static-files.ts";
import { type DemoEndpoint, describeDemo } from "./demo-suite.ts";

/** The page and a plain cojson server on one port: what the page does when nothing of ours is in between. */
async function startPlainEndpoint(): Promise<DemoEndpoint> {
  const folder = await mkdtemp(join(tmpdir(), "sprite-sync-demo-"));
  await buildDemo(folder);
  const server = await startPlainServer({ storage: "memory", onRequest: serveFolder(folder) });
  return {
    pageUrl: new URL("/", server.url.replace(/^ws/, "http")).href,
    async close() {
      await server.close();
      await rm(folder, { recursive: true });
    },
  };
}

// What the page does by itself is tested at length on the whole stack.
describeDemo("a plain cojson server", startPlainEndpoint, { briefly: true });
