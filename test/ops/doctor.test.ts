import { once } from "node:events";
import { cp, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, beforeEach, describe, expect, onTestFinished, test } from "vitest";
import { DURABLE_OBJECTS } from "../../edge/durable-objects.ts";
import { readDeployment } from "../../ops/deployment.ts";
import { DOCTOR, examine } from "../../ops/doctor.ts";
import type { Finding } from "../../ops/finding.ts";
import { setVariable } from "../../ops/wrangler-vars.ts";
import { flyctlMistakes } from "../support/flyctl.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const DIGEST = `sha256:${"a".repeat(64)}`;
const FLY_TOKEN = `FlyV1 fm2_${"lJPECAAAAAAAAAAB".repeat(4)},fm2_${"lJPEThIAAAABAAAC".repeat(4)}`;
const SPRITES_TOKEN = "acme/7f3a91c2/0d9e4b/not-a-real-secret";
const PASS_KEYS = "0123456789abcdef0123456789abcdef";

/** A copy of our files, as somebody has filled them in, with `changes` made to them. */
let directory: string;
let original: { wrangler: string; fly: string };

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), "doctor-"));
  // So that no test has to wait for it, which takes seconds.
  await import("wrangler");
  await cp(join(root, "Dockerfile.sprite"), join(directory, "Dockerfile.sprite"));
  original = {
    wrangler: await readFile(join(root, "wrangler.toml"), "utf8"),
    fly: await readFile(join(root, "fly.toml"), "utf8"),
  };
});
afterAll(() => rm(directory, { recursive: true, force: true }));

const filledIn = () => {
  let toml = original.wrangler.replace('id = "addresses"', `id = "${"b".repeat(32)}"`);
  for (const [name, value] of [
    ["FLY_APP_NAME", "acme-sprites"],
    ["FLY_APP_URL", "https://acme-sprites.fly.dev"],
    ["SPRITE_IMAGE", `registry.fly.io/acme-sprites@${DIGEST}`],
    ["SYNC_URL", "wss://sprite-sync.acme.workers.dev/sync"],
  ] as const) {
    toml = setVariable(toml, undefined, name, value);
  }
  return toml;
};

beforeEach(async () => {
  await writeFile(join(directory, "wrangler.toml"), filledIn());
  await writeFile(join(directory, "fly.toml"), original.fly.replace("my-sprites", "acme-sprites"));
  await writeFile(join(directory, ".dev.vars"), `PASS_KEYS=${PASS_KEYS}\nFLY_API_TOKEN=${FLY_TOKEN}\n`);
});

async function findings(change: (toml: string) => string = (toml) => toml, env: Record<string, string> = {}) {
  await writeFile(join(directory, "wrangler.toml"), change(filledIn()));
  const deployment = await readDeployment(directory, undefined, env);
  return examine(deployment, { online: false, secrets: true, path: "" });
}

const problemsOf = (all: readonly Finding[]) => all.filter(({ level }) => level === "problem");
const set = (name: string, value: string) => (toml: string) => setVariable(toml, undefined, name, value);

/** `npm run doctor` on the directory. */
async function examined(...args: string[]) {
  const lines: string[] = [];
  const terminal = { print: (text: string) => void lines.push(text), env: { PATH: "" } };
  const code = await DOCTOR.run(["--dir", directory, ...args], terminal);
  return { code, text: lines.join("\n") };
}

test("What is filled in is well: exit code 0, and what to do with the secrets; none of them is printed", async () => {
  const { code, text } = await examined("--json");
  const report = JSON.parse(text) as { ok: boolean; findings: Finding[]; next: string[] };
  expect([code, report.ok, problemsOf(report.findings)]).toEqual([0, true, []]);
  const warnings = report.findings.filter(({ level }) => level === "warning");
  expect(warnings.map(({ about }) => about)).toEqual(["CLIENT_AUTH", "SPRITE_BACKUP", "flyctl"]);
  expect(report.next).toEqual([
    "npx wrangler secret bulk .dev.vars",
    "grep ^PASS_KEYS= .dev.vars | flyctl secrets import --stage --app acme-sprites",
  ]);
  for (const secret of [PASS_KEYS, FLY_TOKEN, "fm2_"]) expect(text).not.toContain(secret);
});

test("Our files as they are: each placeholder is a problem, with the command that mends it; exit code 1", async () => {
  await writeFile(join(directory, "wrangler.toml"), original.wrangler);
  await writeFile(join(directory, "fly.toml"), original.fly);
  await rm(join(directory, ".dev.vars"));
  for (const environment of [[], ["--env", "staging"]]) {
    const { code, text } = await examined("--json", ...environment);
    const { findings: found } = JSON.parse(text) as { findings: Finding[] };
    const problems = problemsOf(found);
    expect(code).toBe(1);
    expect(problems.map(({ about }) => about)).toEqual([
      "ADDRESSES",
      "SYNC_URL",
      "FLY_APP_NAME",
      "SPRITE_IMAGE",
      "PASS_KEYS",
      "FLY_API_TOKEN",
    ]);
    for (const { run, edit } of problems) expect(run ?? edit).toBeTruthy();
    for (const { run = "" } of found) {
      const [, flyctl] = /flyctl ([^|)]+)/.exec(run) ?? [];
      if (flyctl) expect(flyctlMistakes(flyctl.trim().split(/\s+/))).toEqual([]);
      const [, script] = /^npm run (\S+)/.exec(run) ?? [];
      if (script) expect(await readFile(join(root, "package.json"), "utf8")).toContain(`"${script}":`);
    }
  }
});

test("Our environments have the same bindings and variables, which wrangler does not inherit", async () => {
  const bindingsOf = async (environment: string | undefined) => {
    const { worker, vars } = await readDeployment(root, environment, {});
    return {
      kv: worker.kv_namespaces.map(({ binding }) => binding),
      objects: worker.durable_objects.bindings,
      limits: worker.ratelimits?.map(({ name }) => name),
      vars: Object.keys(vars).toSorted(),
    };
  };
  expect(await bindingsOf("staging")).toEqual(await bindingsOf(undefined));
});

test("An environment that is not there, a file that is none, or an option is refused, and says what there is", async () => {
  await expect(examined("--env", "moon")).rejects.toThrow(/staging/);
  await expect(examined("--moon")).rejects.toThrow(/--moon/);
  await writeFile(join(directory, "wrangler.toml"), filledIn().replace('"sprite-sync"', '"Sprite_Sync"'));
  await expect(examined()).rejects.toThrow(/lowercase with dashes/);
});

describe("it finds", () => {
  test.each<[string, string, (toml: string) => string, RegExp]>([
    [
      "a variable that the Worker would refuse",
      "variables",
      set("SPRITE_DURABILITY", "maybe"),
      /SPRITE_DURABILITY/,
    ],
    [
      "a KV id that is none",
      "ADDRESSES",
      (toml) => toml.replace("b".repeat(32), "my-namespace"),
      /placeholder/,
    ],
    [
      "an object without a migration",
      "COORDINATOR",
      (toml) => toml.replace('"DirectoryShard", "Coordinator"', '"DirectoryShard"'),
      /migration/,
    ],
    ...Object.entries(DURABLE_OBJECTS).map(
      ([name, className]) =>
        [
          `no binding of ${name}`,
          name,
          (toml: string) => toml.replace(`  { name = "${name}", class_name = "${className}" },\n`, ""),
          /bound/,
        ] as [string, string, (toml: string) => string, RegExp],
    ),
    [
      "two limits that count together",
      "ratelimits",
      (toml) => toml.replace('namespace_id = "1002"', 'namespace_id = "1001"'),
      /namespace_id/,
    ],
    ["a SYNC_URL without TLS", "SYNC_URL", set("SYNC_URL", "ws://sprite-sync.acme.workers.dev/sync"), /wss/],
    [
      "a SYNC_URL with another path",
      "SYNC_URL",
      set("SYNC_URL", "wss://sprite-sync.acme.workers.dev/"),
      /sync/,
    ],
    [
      "a SYNC_URL of another Worker",
      "SYNC_URL",
      set("SYNC_URL", "wss://other.acme.workers.dev/sync"),
      /elsewhere/,
    ],
    ["a SYNC_URL that no route serves", "SYNC_URL", set("SYNC_URL", "wss://sync.acme.com/sync"), /no route/],
    ["an app's name that cannot be one", "FLY_APP_NAME", set("FLY_APP_NAME", "Acme_Sprites"), /letters/],
    ["the address of another app", "FLY_APP_URL", set("FLY_APP_URL", "https://other.fly.dev"), /another app/],
    ["an image by its tag", "SPRITE_IMAGE", set("SPRITE_IMAGE", "registry.fly.io/acme-sprites:v1"), /digest/],
    ["an image from elsewhere", "SPRITE_IMAGE", set("SPRITE_IMAGE", `docker.io/acme@${DIGEST}`), /registry/],
    ["a region that Fly does not have", "SPRITE_REGIONS", set("SPRITE_REGIONS", "fra, moon"), /^moon: .*fra/],
    ["another app in fly.toml", "fly.toml", set("FLY_APP_NAME", "acme-others"), /acme-others/],
    [
      "a secret among the variables",
      "PASS_KEYS",
      (toml) => toml.replace('PLACEMENT = "root"', `PLACEMENT = "root"\nPASS_KEYS = "${PASS_KEYS}"`),
      /wrangler.toml/,
    ],
    ["clients' keys that are missing", "CLIENT_KEYS", set("CLIENT_AUTH", "token"), /neither/],
  ])("%s", async (_, about, change, says) => {
    const found = problemsOf(await findings(change)).filter((finding) => finding.about === about);
    expect(found.map((finding) => finding.says).join()).toMatch(says);
  });

  test.each<[string, string, RegExp]>([
    ["FLY_API_TOKEN", "fm2_short", /cut off/],
    ["FLY_API_TOKEN", `${FLY_TOKEN.slice(0, 60)},fm2_`, /cut off/],
    ["FLY_API_TOKEN", `"${FLY_TOKEN}"`, /quotes/],
    ["FLY_API_TOKEN", SPRITES_TOKEN, /sprites\.dev/],
    ["FLY_API_TOKEN", "hunter2", /flyctl prints/],
    ["PASS_KEYS", "short", /32/],
    ["PASS_KEYS", "x".repeat(40), /repeats/],
    ["PASS_KEYS", `${PASS_KEYS},${PASS_KEYS},${PASS_KEYS}`, /one secret, or two/],
  ])("a %s of the wrong form, and does not print it", async (name, secret, says) => {
    const found = problemsOf(await findings(undefined, { [name]: secret })).filter(
      ({ about }) => about === name,
    );
    expect(found.map((finding) => finding.says).join()).toMatch(says);
    expect(JSON.stringify(found)).not.toContain(secret);
  });

  test.each([
    `Bearer ${FLY_TOKEN.replace("FlyV1 ", "")}`,
    FLY_TOKEN.replace("FlyV1 ", ""),
    ` ${FLY_TOKEN}\n`,
  ])("nothing wrong with a token of Fly.io in any of its forms", async (token) => {
    expect(problemsOf(await findings(undefined, { FLY_API_TOKEN: token }))).toEqual([]);
  });

  test("sections in fly.toml that would make Fly manage Machines of its own", async () => {
    await writeFile(
      join(directory, "fly.toml"),
      `${original.fly.replace("my-sprites", "acme-sprites")}\n[http_service]\n`,
    );
    expect(problemsOf(await findings())).toMatchObject([
      { about: "fly.toml", says: expect.stringMatching(/http_service/) },
    ]);
  });

  test("what Fly Sprites need: their own token, and a release for Linux", async () => {
    const sprites = (release: string) => (toml: string) =>
      set(
        "FLEET",
        "sprites",
      )(toml).replace('FLEET = "sprites"', `FLEET = "sprites"\nSPRITE_RELEASE = "${release}"`);
    const names = async (release: string, token: string) =>
      problemsOf(await findings(sprites(release), { SPRITES_API_TOKEN: token })).map(({ about }) => about);
    const address = (platform: string) =>
      `https://acme.example/sprite-0.1.0-${platform}-${"c".repeat(64)}.tgz`;
    expect(await names("auto", SPRITES_TOKEN)).toEqual([]);
    expect(await names(address("linux-x64"), SPRITES_TOKEN)).toEqual([]);
    expect(await names(address("darwin-arm64"), SPRITES_TOKEN)).toEqual(["SPRITE_RELEASE"]);
    expect(await names("https://acme.example/server.tgz", SPRITES_TOKEN)).toEqual(["SPRITE_RELEASE"]);
    expect(await names(`/release/${address("linux-x64").split("/").at(-1)}`, SPRITES_TOKEN)).toEqual([
      "SPRITE_RELEASE",
    ]);
    expect(await names("auto", FLY_TOKEN)).toEqual(["SPRITES_API_TOKEN"]);
    expect(await names("auto", "")).toEqual(["SPRITES_API_TOKEN"]);
  });
});

describe("asked to look online", () => {
  /** Fly's API and the edge, as they answer; shapes of Fly's OpenAPI document. */
  async function services(answers: Record<string, [status: number, body: string]>) {
    const server = createServer((request, response) => {
      const [status, body] = answers[(request.url ?? "").split("?")[0] ?? ""] ?? [404, "not here"];
      response.writeHead(status).end(body);
    });
    server.listen(0, "127.0.0.1");
    await once(server, "listening");
    onTestFinished(() => void server.close());
    return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  async function online(answers: Record<string, [number, string]>) {
    const url = await services(answers);
    const changed = set("FLY_API_URL", url)(set("SYNC_URL", `${url.replace("http", "ws")}/sync`)(filledIn()));
    await writeFile(join(directory, "wrangler.toml"), changed);
    const deployment = await readDeployment(directory, undefined, {});
    const found = await examine(deployment, { online: true, secrets: true, path: "" });
    return Object.fromEntries(
      found
        .filter(({ about }) => about.endsWith(", asked"))
        .map(({ about, level, says }) => [about, `${level}: ${says}`]),
    );
  }

  const token = (info: object): [number, string] => [200, JSON.stringify({ tokens: [info] })];
  const WELL: Record<string, [number, string]> = {
    "/v1/tokens/current": token({ org_slug: "acme", apps: ["acme-sprites"] }),
    "/v1/apps/acme-sprites": [200, '{"name":"acme-sprites","machine_count":7,"volume_count":7}'],
    "/health": [200, '{"status":"ok"}'],
  };

  test("it learns the token's scope, the app and the edge's health", async () => {
    expect(await online(WELL)).toEqual({
      "FLY_API_TOKEN, asked": "ok: it is for acme-sprites alone",
      "FLY_APP_NAME, asked": "ok: 7 Machines, 7 volumes",
      "the edge, asked": expect.stringMatching(/^ok: .*\/health is well$/),
    });
  });

  test.each<[string, [number, string], string, RegExp]>([
    ["/v1/tokens/current", [401, '{"error":"unauthorized"}'], "FLY_API_TOKEN, asked", /^problem: .*expired/],
    ["/v1/tokens/current", token({ apps: ["other"] }), "FLY_API_TOKEN, asked", /^problem: it is for other/],
    ["/v1/tokens/current", token({ org_slug: "acme" }), "FLY_API_TOKEN, asked", /^warning: it opens more/],
    [
      "/v1/tokens/current",
      token({ apps: ["acme-sprites"], restricted_to_machine: "9080" }),
      "FLY_API_TOKEN, asked",
      /^problem: .*one Machine/,
    ],
    ["/v1/tokens/current", [502, "<html>Bad gateway</html>"], "FLY_API_TOKEN, asked", /^warning: .*502/],
    [
      "/v1/apps/acme-sprites",
      [404, '{"error":"not found"}'],
      "FLY_APP_NAME, asked",
      /^problem: there is no app/,
    ],
    [
      "/v1/apps/acme-sprites",
      [403, '{"error":"unauthorized"}'],
      "FLY_APP_NAME, asked",
      /^problem: .*somebody else/,
    ],
    [
      "/v1/apps/acme-sprites",
      [200, '{"machine_count":3,"volume_count":5}'],
      "FLY_APP_NAME, asked",
      /^warning: .*belong to none/,
    ],
    [
      "/health",
      [500, '{"error":"config-invalid","message":"PASS_KEYS is missing"}'],
      "the edge, asked",
      /PASS_KEYS/,
    ],
  ])("%s answering %j is told", async (path, answer, about, says) => {
    expect((await online({ ...WELL, [path]: answer }))[about]).toMatch(says);
  });
});

describe("setVariable", () => {
  const toml =
    '[vars]\n# by digest\nSPRITE_IMAGE = "old" # note\nA = "1"\n\n[env.staging.vars]\nSPRITE_IMAGE = "staging"\n';

  test("changes one line of one environment, and nothing else", () => {
    expect(setVariable(toml, undefined, "SPRITE_IMAGE", "new")).toBe(toml.replace('"old" # note', '"new"'));
    expect(setVariable(toml, "staging", "SPRITE_IMAGE", "new")).toBe(toml.replace('"staging"', '"new"'));
  });

  test("refuses to guess where a line belongs", () => {
    expect(() => setVariable(toml, "staging", "A", "2")).toThrow(/\[env\.staging\.vars\]/);
    expect(() => setVariable(toml, "moon", "A", "2")).toThrow(/\[env\.moon\.vars\]/);
  });
});
