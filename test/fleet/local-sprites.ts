import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";
import {
  type MachineChange,
  type SpritesExchange,
  type SpritesHost,
  type SpritesHostOptions,
  startSpritesHost,
} from "../../dev/fleet/index.ts";
import type { Fleet } from "../../edge/fleet/fleet.ts";
import { createSpritesFleet, type SpritesFleetDeps } from "../../edge/fleet/sprites.ts";
import { parsePassKeys } from "../../shared/pass.ts";
import { packRelease } from "../../sprite/release.ts";
import { quiet } from "./local-fly.ts";

const program = fileURLToPath(new URL("./fixtures/tiny-sprite.ts", import.meta.url));

export const PASS_KEYS = "a-secret-that-only-tests-know-of-0123456789";

export interface LocalSprites {
  readonly host: SpritesHost;
  readonly changes: MachineChange[];
  /** The release that fleets install unless told otherwise. */
  readonly release: string;
  /** Another release, of a server that says `text` in its environment as `BUILD`. */
  packOther(text: string): Promise<string>;
  /** Calls of the API so far, of one operation. */
  calls(operation: string): SpritesExchange[];
  /** Another client of the same organization, with nothing in common but the API. */
  fleet(overrides?: Partial<SpritesFleetDeps>): Fleet;
  end(): Promise<void>;
}

/** A local Sprites platform; its Sprites run `fixtures/tiny-sprite.ts`, installed as the real server is. */
export async function startLocalSprites(options: Partial<SpritesHostOptions> = {}): Promise<LocalSprites> {
  const dir = await mkdtemp(join(tmpdir(), "sprites-"));
  const exchanges: SpritesExchange[] = [];
  const changes: MachineChange[] = [];
  const release = await pack(dir, "first");
  const host = await startSpritesHost({
    dataDir: join(dir, "data"),
    log: quiet,
    idleMs: 200,
    watchScale: 0.1,
    onChange: (change) => changes.push(change),
    onExchange: (exchange) => exchanges.push(exchange),
    ...options,
  });
  return {
    host,
    changes,
    release,
    packOther: (text) => pack(dir, text),
    calls: (operation) => exchanges.filter((exchange) => exchange.operation === operation),
    fleet(overrides = {}) {
      const path = overrides.release ?? release;
      return createSpritesFleet({
        apiUrl: host.apiUrl,
        token: host.token,
        release: path,
        readRelease: async () => new Uint8Array(await readFile(path)),
        upgradePercent: 100,
        spriteEnv: (home) => ({ SPRITE_HOME: home }),
        passKeys: parsePassKeys(PASS_KEYS),
        fetch: (url, init) => fetch(url, init),
        log: quiet,
        // Nobody has to wait for what is true at once.
        pause: (ms) => new Promise((next) => setTimeout(next, Math.min(ms, 20))),
        ...overrides,
      });
    },
    async end() {
      await host.close(5_000);
      await rm(dir, { recursive: true, force: true });
    },
  };
}

async function pack(dir: string, text: string): Promise<string> {
  const bundle = await mkdtemp(join(dir, "bundle-"));
  await build({
    entryPoints: [program],
    outfile: join(bundle, "main.js"),
    bundle: true,
    platform: "node",
    format: "cjs",
    banner: { js: `process.env.BUILD = ${JSON.stringify(text)};` },
    logLevel: "error",
  });
  await writeFile(join(bundle, "package.json"), '{"type":"commonjs"}');
  return packRelease(bundle, join(dir, "releases"));
}
