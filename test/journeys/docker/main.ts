import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { buildImage, dockerEngine, imageExists, needImage } from "../../../dev/fleet/index.ts";
import { SPRITE_IMAGE } from "../../../dev/stack.ts";
import { SpriteSyncError } from "../../../shared/errors.ts";

const USAGE = `npm run test:docker -- [options]
  --image NAME   take the journeys on this image, which exists already, instead of building one`;

/** What has something to do with how Sprites run; everything else would test the edge once more. */
const JOURNEYS = ["docker.test.ts", "creation", "persistence", "routing", "sleep", "trouble"];

const root = fileURLToPath(new URL("../../..", import.meta.url));

/**
 * `npm run test:docker`: the journeys of creation, sleep, persistence and trouble with Sprites as real containers. Where
 * there is no engine, or not the image to build on, it says that it was skipped, and that is no failure.
 */
async function main(): Promise<number> {
  const { values } = parseArgs({
    options: { image: { type: "string" }, help: { type: "boolean", short: "h" } },
  });
  if (values.help) {
    console.log(USAGE);
    return 0;
  }
  const missing = await whatIsMissing(values.image);
  if (missing) {
    console.log(`test:docker was SKIPPED, nothing was tested: ${missing}`);
    return 0;
  }
  if (values.image) await needImage(values.image);
  else await buildImage(root, SPRITE_IMAGE);
  // Containers take their time to start: several files at once would only wait for each other.
  const args = [
    `${root}node_modules/vitest/vitest.mjs`,
    "run",
    "--project",
    "whole",
    "--no-file-parallelism",
  ];
  const files = JOURNEYS.map((name) => `test/journeys/${name}`);
  const env = { ...process.env, TEST_FLEET: "docker", TEST_IMAGE: values.image ?? SPRITE_IMAGE };
  const tests = spawn(process.execPath, [...args, ...files], { cwd: root, env, stdio: "inherit" });
  const [code] = (await once(tests, "exit")) as [number | null];
  return code ?? 1;
}

/** Why there is nothing to run the journeys on, if that is so, and what to do. */
async function whatIsMissing(image: string | undefined): Promise<string | undefined> {
  try {
    await dockerEngine();
  } catch (error) {
    return (error as Error).message;
  }
  if (image) return undefined;
  const dockerfile = await readFile(`${root}Dockerfile.sprite`, "utf8");
  const [, base = ""] = /^ARG BASE_IMAGE=(\S+)$/m.exec(dockerfile) ?? [];
  if (await imageExists(base)) return undefined;
  return `docker has no ${base} to build on; \`docker pull ${base}\` brings it, or name an image of Sprites with --image`;
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof SpriteSyncError ? error.message : error);
  process.exitCode = 1;
}
