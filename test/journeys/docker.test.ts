import { execFile } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { promisify } from "node:util";
import { describe, expect, onTestFinished, test } from "vitest";
import { buildImage, dockerRunner, type RunSpec } from "../../dev/fleet/index.ts";
import { SPRITE_IMAGE } from "../../dev/stack.ts";
import { type Client, startClient } from "../support/client.ts";
import { startDevCommand } from "../support/dev-command.ts";
import { IN_DOCKER, startTestStack } from "../support/test-stack.ts";
import { until } from "../support/until.ts";

const run = promisify(execFile);
const image = process.env.TEST_IMAGE ?? SPRITE_IMAGE;
const docker = async (...args: string[]) => (await run("docker", args)).stdout.trim();
const containers = async () =>
  (await docker("ps", "--all", "--format={{.Names}}")).split("\n").filter(Boolean);

async function temporary(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), "sprite-sync-docker-"));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

function team(client: Client) {
  const group = client.node.createGroup();
  group.addMember("everyone", "writer");
  return { group, map: group.createMap({ n: 0 }) };
}

/** Run by `npm run test:docker`; skipped elsewhere, because most computers have no engine. */
describe.skipIf(!IN_DOCKER)("Sprites as containers", () => {
  test("get no request before they listen: the first one of each start is answered by the Sprite", async () => {
    const stack = await startTestStack();
    onTestFinished(() => stack.close());
    const writer = await startClient(stack.syncUrl);
    const { group } = team(writer);
    await writer.synced();
    await writer.close();
    const { id, name } = stack.machineOf(group.id);
    const headers = { "fly-force-instance-id": id };
    const starts = () => stack.lines.filter((line) => line.startsWith(`machine ${name} started`)).length;
    for (let round = 2; round <= 4; round++) {
      stack.fleet.kill(id, "SIGKILL");
      await until(() => starts() === round, { what: `start ${round}`, timeoutMs: 60_000 });
      const answer = await fetch(`${stack.fleet.appUrl}/healthz`, { headers });
      // The Sprite's own words, be it open or still opening its store; a proxy that came too early answers 502 with a text.
      expect(await answer.text()).toMatch(/^\{"status":"open/);
    }
  });

  test("have 256 MB, a root file system that they cannot write, no way to more rights, and are not root", async () => {
    const stack = await startTestStack();
    onTestFinished(() => stack.close());
    const writer = await startClient(stack.syncUrl);
    onTestFinished(() => writer.close());
    const { group } = team(writer);
    await writer.synced();
    const name = `sprite-${stack.machineOf(group.id).id}`;
    const [{ HostConfig }] = JSON.parse(await docker("inspect", name));
    expect(HostConfig).toMatchObject({
      Memory: 256 * 1024 * 1024,
      ReadonlyRootfs: true,
      CapDrop: ["ALL"],
      SecurityOpt: ["no-new-privileges"],
    });
    const processes = await docker("top", name, "-eo", "pid,uid,args");
    expect(processes).toMatch(/^\s*\d+\s+1000\s+node dist\/sprite\/main\.js$/m);
    await expect(docker("exec", name, "touch", "/app/x")).rejects.toThrow(/Read-only file system/);
  });

  test("that are stopped while they start leave nothing behind", async () => {
    const runner = dockerRunner();
    for (const signal of ["SIGTERM", "SIGKILL"] as const) {
      const spec = specOf({ machineId: `stopped-${signal}`, volumeDir: await temporary() });
      const started = await runner.start(spec);
      started.signal(signal);
      const exit = await started.exited;
      expect(exit.code === 0 || exit.signal === signal, JSON.stringify(exit)).toBe(true);
      expect(await containers()).not.toContain(`sprite-${spec.machineId}`);
    }
  });

  test("of an image that is not there end with docker's reason, and nothing is downloaded", async () => {
    const spec = specOf({ machineId: "no-image", volumeDir: await temporary(), image: "no-such-image:none" });
    const { exited, dial } = await dockerRunner().start(spec);
    expect(await exited).toMatchObject({ code: 125, reason: expect.stringMatching(/no-such-image/) });
    expect(await dial()).toBeUndefined();
  });

  test("that a killed `npm run dev` left are removed by the next one, which has all their data", async () => {
    const data = await temporary();
    const args = ["--docker", "--image", image, "--port", "0", "--sleep-after", "0", "--data", data];
    const ofThisStack = async () => {
      const all = await docker("ps", "--all", "--no-trunc", "--format={{.ID}} {{.Mounts}}");
      return all.split("\n").filter((line) => line.includes(data));
    };
    const first = startDevCommand(args);
    const writer = await startClient(await first.ready);
    const { map } = team(writer);
    await writer.synced();
    await writer.close();
    await first.crash();
    const left = await ofThisStack();
    expect(left.length).toBeGreaterThan(0);

    const second = startDevCommand(args);
    onTestFinished(() => {
      // Only where the test has failed: it has ended by now.
      if (second.process.exitCode === null) return second.crash();
    });
    const address = await second.ready;
    expect(await ofThisStack()).toEqual([]);
    const reader = await startClient(address);
    expect((await reader.load(map.id)).toJSON()).toEqual({ n: 0 });
    expect((await ofThisStack()).length).toBeGreaterThan(0);
    await reader.close();
    second.process.kill("SIGTERM");
    expect(await second.ended).toMatchObject({ code: 0 });
    expect(await ofThisStack()).toEqual([]);
  }, 180_000);

  test("of an image that cannot be built: docker says why, and one sentence says what to do", async () => {
    await expect(buildImage(await temporary(), "sprite-sync:none")).rejects.toThrow(
      /could not be built; docker says why above.*--build-arg BASE_IMAGE=NAME.*--image sprite-sync:none/,
    );
  });

  test("of an image that is not there are refused by `npm run dev` in one sentence", async () => {
    const { code, stderr } = await startDevCommand(["--docker", "--image", "no-such-image:none"]).ended;
    expect([code, stderr.trim().split("\n")]).toEqual([
      1,
      [expect.stringMatching(/^docker has no image no-such-image:none; `docker pull/)],
    ]);
  });
});

function specOf(part: Partial<RunSpec> & Pick<RunSpec, "machineId" | "volumeDir">): RunSpec {
  return {
    name: "g-test",
    image,
    cpus: 1,
    memoryMb: 256,
    mountPath: "/data",
    internalPort: 8080,
    env: { SPRITE_HOME: "co_zWy9xvTnzH1CLGzXKNLCJh4cvLN" },
    secrets: { PASS_KEYS: "k".repeat(40) },
    ...part,
  };
}
