import { spawn } from "node:child_process";
import { mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { failureText, UsageError } from "../cli/failure.ts";
import packageJson from "../package.json" with { type: "json" };
import { SpriteSyncError } from "../shared/errors.ts";

const root = fileURLToPath(new URL("..", import.meta.url));

/** Scripts that are programs of this repository, whichever they are. */
const programs = Object.entries(packageJson.scripts).flatMap(([name, command]) => {
  const file = /^node (\S+\.ts)$/.exec(command)?.[1];
  return file ? [{ name, file }] : [];
});

/** Runs a program in an empty folder. @returns what is in it afterwards, too. */
async function run(file: string, ...args: string[]) {
  const folder = await mkdtemp(join(tmpdir(), "sprite-sync-script-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  const child = spawn(process.execPath, [join(root, file), ...args], {
    cwd: folder,
    env: { PATH: process.env.PATH ?? "" },
    stdio: ["ignore", "pipe", "pipe"],
  });
  onTestFinished(() => void child.kill("SIGKILL"));
  const exit = new Promise<number | null>((resolve) => child.once("exit", resolve));
  const [out, err, code] = await Promise.all([text(child.stdout), text(child.stderr), exit]);
  return { out, err, code, made: await readdir(folder) };
}

test("package.json has scripts that are programs", () => {
  expect(programs.length).toBeGreaterThan(10);
  const others = Object.entries(packageJson.scripts).filter(([name]) =>
    programs.every((one) => one.name !== name),
  );
  // A program that is started in another way would be tested by nothing here.
  expect(others.filter(([, command]) => /(^|[\s;&])node /.test(command))).toEqual([]);
});

describe.each(programs)("npm run $name", { timeout: 60_000 }, ({ name, file }) => {
  test("explains itself, does nothing else, and ends with 0", async () => {
    const { out, err, code, made } = await run(file, "--help");
    expect({ code, err, made }).toEqual({ code: 0, err: "", made: [] });
    expect(out).toMatch(new RegExp(`^npm run ${name} -- .*\\n`));
    expect(out).toContain("--help");
  });

  test("refuses an option that it does not have in one sentence, does nothing else, and ends with 2", async () => {
    const { out, err, code, made } = await run(file, "--no-such-option");
    expect({ code, out, made }).toEqual({ code: 2, out: "", made: [] });
    expect(err).toMatch(/^[^\n]*'--no-such-option'[^\n]*npm run \S+ -- --help explains[^\n]*\.\n$/);
  });
});

test.each([
  [["dev/main.ts", "--port", "many"]],
  [["dev/main.ts", "--fleet", "ships"]],
  [["dev/main.ts", "folder"]],
  [["sprite/single.ts", "--port", "70000"]],
  [["sprite/storage/cli.ts", "dance"]],
  [["sprite/storage/cli.ts", "inspect", "here", "--sqlite", "x"]],
  [["ops/fleet/main.ts", "destroy"]],
  [["ops/fleet/main.ts", "list", "--dev", "--env", "staging"]],
  [["ops/smoke.ts"]],
  [["bench/main.ts", "--only", "everything"]],
  [["test/sprite/crash/main.ts", "--rounds", "-1"]],
  [["test/journeys/soak/main.ts", "--minutes", "soon"]],
  [["test/edge/simulation/main.ts", "--mutant", "nobody"]],
  [["demo/build.ts", "one", "two"]],
])(
  "A wrong command line is refused in one sentence, with 2: %j",
  { timeout: 60_000 },
  async ([file = "", ...args]) => {
    const { err, out, code, made } = await run(file, ...args);
    expect({ code, out, made }).toEqual({ code: 2, out: "", made: [] });
    expect(err.trim().split("\n")).toHaveLength(1);
  },
);

describe("what people are told about a failure", () => {
  test("names a missing library and the package that brings it, wherever it is among the causes", () => {
    const cause = new Error("libatomic.so.1: cannot open shared object file: No such file or directory");
    const told = failureText(new Error("Cannot find addon '.'", { cause }));
    expect(told).toMatch(/^libatomic\.so\.1 is missing.*apt-get install libatomic1/);
  });

  test("is a sentence for what they can mend, and a stack trace for a mistake of ours", () => {
    expect(failureText(new SpriteSyncError("config-invalid", "no region"))).toBe("no region");
    expect(failureText(new UsageError("dev", "No"))).toBe(
      "No; npm run dev -- --help explains what it takes.",
    );
    const missing = Object.assign(new Error("ENOENT: no such file, open 'x'"), { code: "ENOENT" });
    expect(failureText(missing)).toBe("ENOENT: no such file, open 'x'");
    expect(failureText(new TypeError("x is not a function"))).toContain("\n    at ");
    // So fetch says that nobody answered.
    expect(failureText(new TypeError("fetch failed", { cause: new Error("ECONNREFUSED") }))).toBe(
      "fetch failed: ECONNREFUSED",
    );
  });
});
