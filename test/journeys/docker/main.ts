import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import { defineCommand } from "../../../cli/command.ts";
import { main } from "../../../cli/main.ts";
import { buildImage, dockerEngine, imageExists, needImage } from "../../../dev/fleet/index.ts";

/** What has something to do with how Sprites run; everything else would test the edge once more. */
const JOURNEYS = ["docker.test.ts", "creation", "persistence", "routing", "sleep", "trouble"];

const root = fileURLToPath(new URL("../../..", import.meta.url));

/**
 * `npm run test:docker`: the journeys of creation, sleep, persistence and trouble with Sprites as real containers. Where
 * there is no engine, or not the image to build on, it says that it was skipped, and that is no failure.
 */
const TEST_DOCKER = defineCommand({
  name: "test:docker",
  about: "Takes the journeys that depend on how Sprites run with Sprites as real containers.",
  options: {
    image: {
      type: "string",
      value: "NAME",
      about: "take them on this image, which exists already, instead of building one",
    },
  },
  run: ({ image }) => testDocker(image),
});

async function testDocker(image: string | undefined): Promise<number> {
  const missing = await whatIsMissing(image);
  if (missing) {
    console.log(`test:docker was SKIPPED, nothing was tested: ${missing}`);
    return 0;
  }
  const { SPRITE_IMAGE } = await import("../../../dev/stack.ts");
  if (image) await needImage(image);
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
  const env = { ...process.env, TEST_FLEET: "docker", TEST_IMAGE: image ?? SPRITE_IMAGE };
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

if (import.meta.main) await main(TEST_DOCKER);
