import { execFile, spawn } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { buildSprite } from "../sprite/build.ts";
import { newNode } from "./support/real-values.ts";
import { until } from "./support/until.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));

/**
 * What docker would do, done by hand, because most computers that run the tests have none: Dockerfile.sprite read line by
 * line. `npm run test:docker` builds it.
 */
describe("Dockerfile.sprite", () => {
  let text: string;
  let stages: { name: string; lines: string[] }[];
  let image: string;

  beforeAll(async () => {
    text = (await readFile(join(root, "Dockerfile.sprite"), "utf8")).replaceAll("\\\n", " ");
    stages = text
      .split(/^FROM /m)
      .slice(1)
      .map((part) => ({ name: part.split("\n")[0] ?? "", lines: part.split("\n").slice(1) }));
    image = await mkdtemp(join(tmpdir(), "sprite-image-"));
  });
  afterAll(() => rm(image, { recursive: true, force: true }));

  const copied = (stage: { lines: string[] } | undefined) =>
    (stage?.lines ?? []).flatMap((line) => {
      const [word, ...words] = line.trim().split(/\s+/);
      const paths = words.filter((each) => !each.startsWith("--"));
      const from = words.find((each) => each.startsWith("--from="))?.slice("--from=".length);
      return word === "COPY" ? [{ from, sources: paths.slice(0, -1), target: paths.at(-1) ?? "" }] : [];
    });

  test("has two stages on one exactly tagged base, and copies only what exists and .dockerignore lets through", async () => {
    const [base = "", ...others] = stages.map(({ name }) => name);
    expect(text).toMatch(/^ARG BASE_IMAGE=node:\d+\.\d+\.\d+-\S+$/m);
    expect(base).toMatch(/^\$\{BASE_IMAGE\} AS base$/);
    expect(others).toEqual(["base AS build", "base"]);
    const ignore = (await readFile(join(root, ".dockerignore"), "utf8")).split("\n");
    const allowed = ignore.filter((line) => line.startsWith("!")).map((line) => line.slice(1));
    for (const stage of stages) {
      for (const { from, sources } of copied(stage).filter((copy) => !copy.from)) {
        expect(from).toBeUndefined();
        for (const source of sources) {
          const path = source.replace(/^\.\//, "");
          expect(allowed).toContain(path.split("/")[0]);
          expect(await readdir(join(root, dirname(path)))).toContain(path.split("/").at(-1));
        }
      }
    }
  });

  test("needs no BuildKit, which packaged Docker engines lack", () => {
    const instructions = text.split("\n").filter((line) => !line.startsWith("#"));
    for (const line of instructions)
      expect(line).not.toMatch(
        /^(COPY|ADD|RUN) .*--(chmod|link|mount|parents|exclude|network|security)\b|<</,
      );
    expect(text).not.toMatch(/^#\s*syntax=/m);
  });

  test("makes a Sprite that starts from its bundle alone, is healthy, and stops in order", async () => {
    const [, built, final] = stages;
    expect(built?.lines).toContain("RUN node sprite/build.ts");
    expect(copied(final).map(({ target }) => target)).toEqual(["./dist/sprite", "./entrypoint.sh"]);
    expect(final?.lines).toContain('CMD ["node", "dist/sprite/main.js"]');
    await buildSprite(join(image, "dist/sprite"));
    expect(await readdir(image)).toEqual(["dist"]);

    const { node } = await newNode();
    const sprite = spawn(process.execPath, ["dist/sprite/main.js"], {
      cwd: image,
      env: {
        ...process.env,
        NODE_OPTIONS: optionsIn(final?.lines ?? []),
        SPRITE_HOME: node.createGroup().id,
        PASS_KEYS: "k".repeat(40),
        PORT: "0",
        SPRITE_DATA: join(image, "data/hypercore-storage"),
      },
      stdio: ["ignore", "pipe", "inherit"],
    });
    const exited = new Promise<number | null>((resolve) => sprite.once("exit", resolve));
    let port = 0;
    for await (const line of createInterface({ input: sprite.stdout })) {
      const entry = JSON.parse(line) as { port?: number; msg: string };
      port = entry.port ?? port;
      if (entry.msg === "storage open") break;
    }
    const health = async () => {
      const response = await fetch(`http://127.0.0.1:${port}/healthz`);
      return [response.status, await response.json()];
    };
    await until(async () => (await health())[0] === 200, { what: "a healthy Sprite" });
    expect(await health()).toEqual([200, { status: "open", storage: "ok" }]);
    sprite.kill("SIGTERM");
    expect(await exited).toBe(0);
  }, 180_000);

  test("steps down from root by an entry point that is a valid shell script", async () => {
    await run("sh", ["-n", join(root, "sprite/entrypoint.sh")]);
    expect(stages[2]?.lines).toContain('ENTRYPOINT ["./entrypoint.sh"]');
    expect(stages[2]?.lines.join("\n")).toMatch(/^RUN chmod 755 \.\/entrypoint\.sh/m);
    expect(await readFile(join(root, "sprite/entrypoint.sh"), "utf8")).toMatch(/setpriv --reuid=node/);
  });
});

function optionsIn(lines: readonly string[]): string {
  const [, options] = /NODE_OPTIONS=(\S+)/.exec(lines.join("\n")) ?? [];
  if (!options) throw new Error("the image sets no NODE_OPTIONS");
  return options;
}
