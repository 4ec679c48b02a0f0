import { execFile } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { describe, expect, test } from "vitest";
import { DEPLOY_EDGE } from "../ops/deploy-edge.ts";
import { DEPLOY_SPRITE } from "../ops/deploy-sprite.ts";
import { DOCTOR } from "../ops/doctor.ts";
import { SMOKE } from "../ops/smoke.ts";
import { flyctlMistakes } from "./support/flyctl.ts";
import { wranglerMistakes } from "./support/wrangler-commands.ts";

const run = promisify(execFile);
const root = fileURLToPath(new URL("..", import.meta.url));
const page = readFileSync(join(root, "docs/deploy.md"), "utf8");
const scripts = (
  JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { scripts: Record<string, string> }
).scripts;

/** The commands of a page: lines of its `sh` blocks, and code within a line that begins with a program's name. */
function commandsOf(text: string): string[] {
  const blocks = [...text.matchAll(/^ *```sh\n([\s\S]*?)^ *```/gm)].flatMap(([, block = ""]) =>
    block.split("\n"),
  );
  const inline = [...text.matchAll(/`((?:npm|npx|flyctl|docker|openssl|git|curl|node) [^`\n]+)`/g)].map(
    ([, command = ""]) => command,
  );
  return [...new Set([...blocks, ...inline].map((line) => line.trim()).filter(Boolean))];
}

/** Words as a shell splits them, as far as the page needs it. */
const wordsOf = (command: string) =>
  (command.match(/"[^"]*"|\S+/g) ?? []).map((word) => word.replaceAll('"', ""));

/** Usage of the scripts that take options, to be held against the page. */
const USAGES: Readonly<Record<string, string>> = {
  doctor: DOCTOR.usage,
  smoke: SMOKE.usage,
  "deploy:edge": DEPLOY_EDGE.usage,
  "deploy:sprite": DEPLOY_SPRITE.usage,
};

/** What is wrong with a command; `undefined` when nothing here covers it. */
function mistakesOf(command: string): string[] | undefined {
  // What is inside `$(…)`, and each side of a pipe, is a command of its own.
  const inner = /^echo "([A-Z_]+)=(?:\$\((.*)\)|.+)" >> \.dev\.vars(?:\.staging)?$/.exec(command);
  if (inner) return inner[2] ? mistakesOf(inner[2]) : [];
  const [left, right] = command.split(" | ");
  if (right) {
    if (right === "sh") return left?.startsWith("curl -L https://fly.io/") ? [] : undefined;
    return /^grep \^[A-Z_]+= \.dev\.vars$/.test(left ?? "") ? mistakesOf(right) : undefined;
  }
  const [program, ...args] = wordsOf(command);
  switch (program) {
    case "flyctl":
      return flyctlMistakes(args);
    case "npx":
      return args[0] === "wrangler" ? wranglerMistakes(args.slice(1)) : undefined;
    case "npm":
      return npmMistakes(args);
    case "openssl":
      // Run below.
      return command === "openssl rand -hex 32" ? [] : undefined;
    case "docker":
      // Only named, for what could not be done here.
      return args.slice(0, 3).join(" ") === "buildx imagetools inspect" ? [] : undefined;
    default:
      return undefined;
  }
}

function npmMistakes([verb, script = "", ...rest]: string[]): string[] | undefined {
  if (verb === "ci") return [];
  if (verb !== "run") return undefined;
  if (!(script in scripts)) return [`there is no script ${script}`];
  const [, command = ""] = rest;
  if (script === "fleet" && command && !existsSync(join(root, `ops/fleet/commands/${command}.ts`))) {
    return [`npm run fleet has no command ${command}`];
  }
  const usage = USAGES[script];
  const options = rest.filter((word) => word.startsWith("--") && word !== "--");
  if (!usage) return options.length > 0 ? undefined : [];
  return options
    .filter((option) => !usage.includes(`${option} `))
    .map((option) => `${script} has no ${option}`);
}

const commands = commandsOf(page);

test("docs/deploy.md has commands, of every kind that is checked", () => {
  expect(commands.length).toBeGreaterThan(40);
  for (const program of ["npm run doctor", "npm run smoke", "npx wrangler", "flyctl"]) {
    expect(commands.some((command) => command.startsWith(program))).toBe(true);
  }
});

test.each(commands)("%s", (command) => {
  expect(mistakesOf(command)).toEqual([]);
});

describe("the check itself", () => {
  test.each([
    "flyctl deploy --no-such-flag",
    "flyctl machines explode --app a",
    "flyctl apps create one two",
    "npx wrangler kv namespace create ADDRESSES --no-such-flag",
    "npx wrangler explode",
    "npm run no-such-script",
    "npm run doctor -- --no-such-option",
    "npm run fleet -- no-such-command",
    'echo "FLY_API_TOKEN=$(flyctl tokens create explode)" >> .dev.vars',
  ])("finds what is wrong with: %s", (command) => {
    expect(mistakesOf(command)?.length).toBeGreaterThan(0);
  });

  test.each(["rm -rf /", "npm publish", "npx something", "curl https://example.com | sh", "docker run x"])(
    "does not let through what nothing covers: %s",
    (command) => {
      expect(mistakesOf(command)).toBeUndefined();
    },
  );
});

test("The key that the page tells to make is one", async () => {
  const { stdout } = await run("openssl", ["rand", "-hex", "32"]);
  expect(stdout.trim()).toMatch(/^[0-9a-f]{64}$/);
});
