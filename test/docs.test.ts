import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { DEV } from "../dev/main.ts";
import { EDGE_SETTINGS } from "../edge/config.ts";
import { flyctlArguments } from "../ops/deploy-sprite.ts";
import { PLACEMENT_POLICIES } from "../shared/placement.ts";
import { SPRITE_SETTINGS } from "../sprite/config.ts";

const root = fileURLToPath(new URL("..", import.meta.url));
const read = (file: string) => readFileSync(join(root, file), "utf8");
const pages = [
  "README.md",
  "CHANGELOG.md",
  "SECURITY.md",
  ...readdirSync(join(root, "docs")).map((name) => `docs/${name}`),
].filter((name) => name.endsWith(".md"));
const scripts = (JSON.parse(read("package.json")) as { scripts: Record<string, string> }).scripts;

describe.each(pages)("%s", (page) => {
  const text = read(page);

  test("names only npm scripts that exist", () => {
    const named = [...text.matchAll(/npm run ([a-z:-]+)/g)].map(([, name]) => name ?? "");
    expect(named.filter((name) => !(name in scripts))).toEqual([]);
  });

  test("links only to files that exist", () => {
    const links = [...text.matchAll(/\]\(([^)#:]+)(?:#[^)]*)?\)/g)].map(([, link]) => link ?? "");
    expect(links.filter((link) => !existsSync(join(root, dirname(page), link)))).toEqual([]);
  });

  test("names only options of `npm run dev` that it takes", () => {
    const named = [...text.matchAll(/npm run dev -- (--[a-z-]+)/g)].map(([, option]) => option ?? "");
    expect(named.filter((option) => !DEV.usage.includes(`  ${option} `))).toEqual([]);
  });
});

describe("docs/settings.md", () => {
  const [edge = "", sprite = ""] = read("docs/settings.md").split("## A Sprite");
  const namesIn = (part: string) =>
    [...part.matchAll(/^\| `([A-Z0-9_]+)` \|/gm)].map(([, name]) => name ?? "").toSorted();

  test("lists the settings of the edge, and of a Sprite, all of them and no others", () => {
    expect(namesIn(edge)).toEqual([...EDGE_SETTINGS].toSorted());
    expect(namesIn(sprite)).toEqual([...SPRITE_SETTINGS].toSorted());
  });
});

describe("docs/placement.md", () => {
  test("lists every policy", () => {
    const named = [...read("docs/placement.md").matchAll(/^\| `(\w+)`/gm)].map(([, name]) => name);
    expect(named).toEqual([...PLACEMENT_POLICIES]);
  });
});

describe("wrangler.toml", () => {
  test("sets only variables that the edge reads, and no secret", () => {
    const vars = read("wrangler.toml").split("[vars]")[1] ?? "";
    const named = [...vars.matchAll(/^([A-Z_]+) =/gm)].map(([, name]) => name ?? "");
    expect(named.length).toBeGreaterThan(5);
    for (const name of named) expect(EDGE_SETTINGS).toContain(name);
    expect(named).not.toContain("PASS_KEYS");
    expect(named).not.toContain("FLY_API_TOKEN");
  });
});

describe("fly.toml", () => {
  test("builds the Sprite's image, and has nothing that would make Fly manage Machines of its own", () => {
    const text = read("fly.toml");
    expect(text).toContain('dockerfile = "Dockerfile.sprite"');
    expect(text).not.toMatch(/^\[+(http_service|mounts|vm|services|env)/m);
    expect(flyctlArguments("app", "v1", false)).toEqual(expect.arrayContaining(["--build-only", "--push"]));
  });
});
