import { execFile } from "node:child_process";
import { once } from "node:events";
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { DURABLE_OBJECTS } from "../../edge/durable-objects.ts";
import { DEPLOY_EDGE, wranglerArguments } from "../../ops/deploy-edge.ts";
import { DEPLOY_SPRITE, flyctlArguments } from "../../ops/deploy-sprite.ts";
import { readPushed } from "../../ops/image-digest.ts";
import { flyctlMistakes } from "../support/flyctl.ts";
import { wranglerMistakes } from "../support/wrangler-commands.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("../..", import.meta.url));
const DIGEST = `sha256:${"d".repeat(64)}`;

/** The end of what flyctl prints, as its documentation shows it. */
const BUILD_OUTPUT = (app: string, label: string, digest = "") => `==> Building image
#19 exporting to image
#19 pushing manifest for registry.fly.io/${app}:${label}${digest && `@${digest}`} 0.8s done
--> Building image done
image: registry.fly.io/${app}:${label}
image size: 81 MB`;

describe("npm run deploy:sprite", { timeout: 60_000 }, () => {
  let directory: string;

  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), "deploy-sprite-"));
    for (const file of ["wrangler.toml", "fly.toml"]) await cp(join(root, file), join(directory, file));
  });
  afterAll(() => rm(directory, { recursive: true, force: true }));

  /** A program in flyctl's place, which is not here: it keeps its arguments and prints `output`. */
  async function deployed(output: string, args: string[], env: Record<string, string> = {}) {
    await writeFile(join(directory, "output"), output);
    const stub = `#!/bin/sh\necho "$@" > ${directory}/arguments\ncat ${directory}/output\nexit \${FLYCTL_EXIT:-0}\n`;
    await writeFile(join(directory, "flyctl"), stub);
    await chmod(join(directory, "flyctl"), 0o755);
    const lines: string[] = [];
    const terminal = {
      print: (text: string) => void lines.push(text),
      env: { PATH: `${directory}${delimiter}/usr/bin${delimiter}/bin`, ...env },
    };
    const error = await DEPLOY_SPRITE.run(["--dir", directory, "--label", "v1", ...args], terminal).then(
      () => undefined,
      (failure: Error) => failure,
    );
    const asked = (await readFile(join(directory, "arguments"), "utf8")).trim().split(" ");
    return { code: error ? 1 : 0, text: `${lines.join("\n")}\n${error?.message ?? ""}`, asked };
  }

  test("builds and pushes by arguments that flyctl knows, and makes no Machine", async () => {
    const { code, text, asked } = await deployed(BUILD_OUTPUT("my-sprites", "v1", DIGEST), []);
    expect(code).toBe(0);
    expect(flyctlMistakes(asked)).toEqual([]);
    expect(asked).toEqual(flyctlArguments("my-sprites", "v1", false));
    // Without --build-only it would release; with it alone it would not push.
    expect(asked).toEqual(expect.arrayContaining(["--build-only", "--push"]));
    expect(text).toContain(`SPRITE_IMAGE = "registry.fly.io/my-sprites@${DIGEST}"`);
    expect(await readFile(join(directory, "wrangler.toml"), "utf8")).toContain("my-sprites:latest");
    expect(flyctlMistakes(flyctlArguments("my-sprites", "v1", true))).toEqual([]);
  });

  test("writes the digest into the right environment, and leaves the rest of the file", async () => {
    const before = await readFile(join(directory, "wrangler.toml"), "utf8");
    const output = BUILD_OUTPUT("my-sprites-staging", "v1", DIGEST);
    expect(await deployed(output, ["--env", "staging", "--write"])).toMatchObject({ code: 0 });
    expect(await readFile(join(directory, "wrangler.toml"), "utf8")).toBe(
      before.replace(
        "registry.fly.io/my-sprites-staging:latest",
        `registry.fly.io/my-sprites-staging@${DIGEST}`,
      ),
    );
  });

  test("asks the registry when the builder has not printed the digest", async () => {
    const requests: string[] = [];
    const registry = createServer((request, response) => {
      requests.push(`${request.method} ${request.url} ${request.headers.authorization}`);
      response.writeHead(200, { "docker-content-digest": DIGEST }).end();
    });
    registry.listen(0, "127.0.0.1");
    await once(registry, "listening");
    onTestFinished(() => void registry.close());
    const { port } = registry.address() as AddressInfo;
    const { code, text } = await deployed(BUILD_OUTPUT("my-sprites", "v1"), [], {
      FLY_REGISTRY_URL: `http://127.0.0.1:${port}`,
      FLY_API_TOKEN: "fm2_token",
    });
    expect([code, text]).toEqual([0, expect.stringContaining(`my-sprites@${DIGEST}`)]);
    const basic = Buffer.from("x:fm2_token").toString("base64");
    expect(requests).toEqual([`HEAD /v2/my-sprites/manifests/v1 Basic ${basic}`]);
  });

  test("changes nothing when flyctl fails, or names no image, or is not there", async () => {
    const before = await readFile(join(directory, "wrangler.toml"), "utf8");
    const good = BUILD_OUTPUT("my-sprites", "v1", DIGEST);
    expect(await deployed(good, ["--write"], { FLYCTL_EXIT: "1" })).toMatchObject({
      code: 1,
      text: expect.stringContaining("flyctl ended with 1"),
    });
    expect(() => readPushed("Error: no builder", "my-sprites")).toThrow(/no image/);
    expect(await deployed(good, ["--write"], { PATH: "/nowhere" })).toMatchObject({
      code: 1,
      text: expect.stringContaining("fly.io/install.sh"),
    });
    expect(await readFile(join(directory, "wrangler.toml"), "utf8")).toBe(before);
  });

  test("reads flyctl's output with colours, and only of its own app", () => {
    const esc = String.fromCharCode(27);
    expect(readPushed(`${esc}[32mimage: registry.fly.io/a:v1${esc}[0m\n`, "a")).toEqual({
      image: "registry.fly.io/a:v1",
      digest: undefined,
    });
    expect(() => readPushed("image: registry.fly.io/b:v1\n", "a")).toThrow(/no image of a/);
  });
});

describe("npm run deploy:edge", () => {
  test("deploys by arguments that wrangler knows", () => {
    for (const environment of [undefined, "staging"]) {
      const options = { environment, dryRun: true, secretsFile: ".dev.vars", release: "/release/x.tgz" };
      expect(wranglerMistakes(wranglerArguments(options))).toEqual([]);
    }
    expect(wranglerMistakes(["deploy", "--no-such-flag"])).toEqual([
      "wrangler deploy has no flag --no-such-flag",
    ]);
  });

  test.each([
    { to: "production", args: [] },
    { to: "staging", args: ["--env", "staging"] },
  ])(
    "makes a Worker that could be deployed to $to",
    async ({ args }) => {
      const { stdout, stderr } = await run(
        process.execPath,
        [join(root, "ops/deploy-edge.ts"), "--dry-run", ...args],
        {
          cwd: root,
          env: {
            PATH: `${dirname(process.execPath)}${delimiter}/usr/bin${delimiter}/bin`,
            WRANGLER_SEND_METRICS: "false",
          },
        },
      );
      const text = stdout + stderr;
      for (const binding of [
        ...Object.entries(DURABLE_OBJECTS).map(([name, className]) => `env.${name} (${className})`),
        "env.ADDRESSES",
        "env.NEW_SESSIONS (300 requests/60s)",
        "env.NEW_SPRITES (60 requests/60s)",
        "env.ASSETS",
        "env.SYNC_URL",
      ]) {
        expect(text).toContain(binding);
      }
      // What would stop a real one is told, but stops no rehearsal.
      expect(text).toContain("PROBLEM  ADDRESSES");
      const [, size, unit] = /gzip: ([\d.]+) (\w+)/.exec(text) ?? [];
      expect([Number(size) < 3_000, unit]).toEqual([true, "KiB"]);
    },
    120_000,
  );

  test("does not deploy what the doctor finds sick", async () => {
    const terminal = { print: () => undefined, env: { PATH: "" } };
    await expect(DEPLOY_EDGE.run([], terminal)).rejects.toThrow(/not deployed/);
  });
});
