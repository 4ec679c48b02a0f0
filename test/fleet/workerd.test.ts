import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import { Miniflare } from "miniflare";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { type LocalFly, newHome, startLocalFly } from "./local-fly.ts";

/** Creates, wakes and dials a Sprite, as the edge does; answers with what the Sprite said first. */
const worker = `
  import { createMachinesFleet } from "./edge/fleet/machines.ts";
  export default {
    async fetch(request) {
      const { deps, home } = await request.json();
      const log = { debug() {}, info() {}, warn() {}, error() {} };
      const fleet = createMachinesFleet({ ...deps, log, spriteEnv: () => ({}), fetch: (url, init) => fetch(url, init) });
      const sprite = await fleet.wake(await fleet.ensure({ home, regions: [] }));
      const { url, headers } = fleet.address(sprite);
      const { webSocket } = await fetch(url + "/sync", { headers: { ...headers, Upgrade: "websocket" } });
      const hello = new Promise((resolve) => webSocket.addEventListener("message", ({ data }) => resolve(data)));
      webSocket.accept();
      return Response.json({ sprite, hello: JSON.parse(await hello) });
    },
  };
`;

describe("inside workerd", { timeout: 60_000 }, () => {
  let fly: LocalFly;
  let edge: Miniflare;
  beforeAll(async () => {
    fly = await startLocalFly();
    const bundle = await build({
      stdin: { contents: worker, resolveDir: fileURLToPath(new URL("../..", import.meta.url)), loader: "ts" },
      bundle: true,
      write: false,
      format: "esm",
      target: "es2023",
    });
    edge = new Miniflare({
      modules: true,
      script: bundle.outputFiles[0]?.text ?? "",
      compatibilityDate: "2026-07-01",
    });
    await edge.ready;
  });
  afterAll(async () => {
    await edge?.dispose();
    await fly?.end();
  });

  it("the Machines fleet creates a Sprite, wakes it, and leads a WebSocket to it through the proxy", async () => {
    const { apiUrl, appUrl, appName, token } = fly.host;
    const guest = { cpu_kind: "shared", cpus: 1, memory_mb: 256 };
    const deps = {
      apiUrl,
      appUrl,
      appName,
      token,
      guest,
      image: "sprite-sync:test",
      volumeSizeGb: 1,
      upgradePercent: 100,
      regions: ["fra"],
    };
    const home = newHome();
    const reply = await edge.dispatchFetch("http://edge/", {
      method: "POST",
      body: JSON.stringify({ deps, home }),
    });
    const id = fly.host.machines()[0]?.id;
    expect(await reply.json()).toMatchObject({
      sprite: { id, home, state: "running" },
      hello: { machine: id },
    });
  });
});
