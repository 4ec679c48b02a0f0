import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { expect, onTestFinished, test } from "vitest";
import { startDevCommand } from "../support/dev-command.ts";

const TEST_DOCKER = fileURLToPath(new URL("../journeys/docker/main.ts", import.meta.url));
const run = promisify(execFile);
const hasDocker = await run("docker", ["--version"]).then(
  () => true,
  () => false,
);

/** What the command says when it cannot start, line by line; it must end by itself, with its data untouched. */
async function refusal(
  args: readonly string[],
  { env = {}, exitCode = 1 }: { env?: NodeJS.ProcessEnv; exitCode?: number } = {},
): Promise<string[]> {
  const dir = await mkdtemp(join(tmpdir(), "sprite-sync-docker-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  const data = join(dir, "data");
  const { code, stderr } = await startDevCommand(["--data", data, "--port", "0", ...args], env).ended;
  expect([code, existsSync(data)]).toEqual([exitCode, false]);
  return stderr.trim().split("\n");
}

test("`npm run dev -- --docker` without docker is one sentence that says what to install", async () => {
  expect(await refusal(["--docker"], { env: { PATH: "" } })).toEqual([
    "there is no docker command on this computer; install Docker Engine or Docker Desktop, or leave --docker out: Sprites then run as processes",
  ]);
});

test.skipIf(!hasDocker)(
  "`npm run dev -- --docker` without an engine is one sentence that says what to start",
  async () => {
    const lines = await refusal(["--docker"], { env: { DOCKER_HOST: "unix:///no/such/docker.sock" } });
    expect(lines).toHaveLength(1);
    expect(lines[0]).toMatch(/docker\.sock.*; start Docker Desktop or .*, or leave --docker out/);
  },
);

test.each([
  [["--image", "sprite-sync:local"], "--image is for containers: add --docker"],
  [["--docker", "--fleet", "sprites"], "--docker runs Fly Machines: leave out --fleet sprites"],
])("options that do not go together are named before anything starts: %j", async (args, sentence) => {
  expect(await refusal(args, { exitCode: 2 })).toEqual([
    `${sentence}; npm run dev -- --help explains what it takes.`,
  ]);
});

test("`npm run test:docker` without docker says that it was skipped and why, and is no failure", async () => {
  const { stdout } = await run(process.execPath, [TEST_DOCKER], { env: { ...process.env, PATH: "" } });
  expect(stdout).toMatch(/^test:docker was SKIPPED, nothing was tested: there is no docker command .*\n$/);
});
