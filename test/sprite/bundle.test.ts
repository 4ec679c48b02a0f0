import { execFile } from "node:child_process";
import { once } from "node:events";
import { cp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { build } from "esbuild";
import { describe, expect, test } from "vitest";
import { buildSprite } from "../../sprite/build.ts";
import { LATE_BUILTINS, standIn } from "../../sprite/bundle/late-builtins.ts";
import { lateParts } from "../../sprite/bundle/late-parts.ts";
import { tryProgram } from "../../sprite/bundle/trial.ts";
import { listBackups, openPlace } from "../../sprite/storage/backup/index.ts";
import { openStorage } from "../../sprite/storage/index.ts";
import { SPRITE_BUNDLE } from "../support/sprite-bundle.ts";
import { until } from "../support/until.ts";
import { BUCKET, startS3 } from "./storage/backup/s3-server.ts";
import { contentOf, idOf, storeDone } from "./storage/content.ts";
import { newAccount, newGroup, PASS_SECRET, temporaryDirectory } from "./support.ts";

const run = promisify(execFile);
const require = createRequire(import.meta.url);

/** The bundle in a directory of its own, to be damaged. */
async function copyOfBundle(): Promise<string> {
  const directory = temporaryDirectory();
  await cp(dirname(SPRITE_BUNDLE), directory, { recursive: true });
  return directory;
}

/** The files that a bundle's `main.js` names. */
async function filesOf(directory: string): Promise<{ program: string; compiled: string }> {
  const [, program = ""] =
    /"(main-program-\w+\.js)"/.exec(await readFile(join(directory, "main.js"), "utf8")) ?? [];
  return { program: join(directory, program), compiled: join(directory, `${program}.code`) };
}

describe("The compiled code in a bundle", () => {
  /** Says whether V8 takes the code, in a process with these options. */
  async function rejected(options: readonly string[]): Promise<string> {
    const { program, compiled } = await filesOf(dirname(SPRITE_BUNDLE));
    const text = `const { readFileSync } = require("node:fs");
      const options = { cachedData: readFileSync(${JSON.stringify(compiled)}) };
      const script = new (require("node:vm").Script)(readFileSync(${JSON.stringify(program)}, "latin1"), options);
      console.log(script.cachedDataRejected);`;
    return (await run(process.execPath, [...options, "-e", text])).stdout.trim();
  }

  test("is taken by V8, also with the memory options of the image", async () => {
    expect(await rejected([])).toBe("false");
    expect(await rejected(["--max-old-space-size-percentage=50"])).toBe("false");
    expect(await rejected(["--max-old-space-size=128"])).toBe("false");
    // It is refused where it does not fit, and the check above can fail.
    expect(await rejected(["--max-lazy"])).toBe("true");
  });

  test.each([
    ["is missing", (file: string) => rm(file)],
    ["is cut off", async (file: string) => writeFile(file, (await readFile(file)).subarray(0, 100_000))],
    ["is another one", async (file: string) => writeFile(file, (await readFile(file)).fill(0x55, 500_000))],
  ])("may be spoiled: a Sprite whose code %s works", async (_, spoil) => {
    const directory = await copyOfBundle();
    await spoil((await filesOf(directory)).compiled);
    await tryProgram([join(directory, "main.js")]);
  });
});

test("A bundle works without cojson's native crypto", async () => {
  const directory = await copyOfBundle();
  const native = (await readdir(directory)).filter((name) => /^cojson-core-napi.*\.node$/.test(name));
  expect(native).not.toHaveLength(0);
  for (const name of native) await rm(join(directory, name));
  await tryProgram([join(directory, "main.js")]);
});

test("A bundle that does not work is told from one that does, with the Sprite's own words", async () => {
  const directory = await copyOfBundle();
  for (const name of await readdir(directory))
    if (name.startsWith("rocksdb-native")) await rm(join(directory, name));
  await expect(tryProgram([join(directory, "main.js")])).rejects.toThrow(
    /Cannot find module '.\/rocksdb-native/,
  );
});

test("Building again leaves the files alone that running Sprites have loaded", async () => {
  const directory = dirname(SPRITE_BUNDLE);
  const files = async () => {
    const names = (await readdir(directory)).filter((name) =>
      /\.(node|code)$|-program-\w{8}\.js$/.test(name),
    );
    const stats = await Promise.all(names.map((name) => stat(join(directory, name))));
    return new Map(names.map((name, index) => [name, `${stats[index]?.ino} ${stats[index]?.mtimeMs}`]));
  };
  const before = await files();
  await buildSprite(directory);
  const after = await files();
  expect(before.size).toBeGreaterThanOrEqual(8);
  for (const [name, was] of before) expect([name, after.get(name)]).toEqual([name, was]);
});

test("The program for maintenance is in a bundle, and what only that needs is not in a Sprite's", async () => {
  const directory = dirname(SPRITE_BUNDLE);
  const cli = join(directory, "cli.js");
  const store = temporaryDirectory();
  await (await openStorage(store)).close();
  const { stdout } = await run(process.execPath, [cli, "inspect", store, "--json"]);
  expect(JSON.parse(stdout)).toMatchObject({ covalues: 0, damages: [] });
  const program = await readFile((await filesOf(directory)).program, "utf8");
  expect(program).toContain("node_modules/hypercore/");
  expect(program).not.toMatch(/node_modules\/(@aws-sdk|@smithy|zod\/v4\/classic)/);
});

test("A bundled Sprite has the client of S3 in a part of its own, and backs itself up with it", async () => {
  const aws = (await startS3()) as Record<string, string>;
  const directory = temporaryDirectory();
  const env = {
    SPRITE_HOME: newGroup(newAccount()).id,
    PASS_KEYS: PASS_SECRET,
    PORT: "0",
    SPRITE_DATA: join(directory, "store"),
    SPRITE_BACKUP: `s3://${BUCKET}/bundled`,
    SPRITE_BACKUP_EVERY: "0",
    ...aws,
  };
  const storage = await openStorage(join(directory, "store"));
  await storeDone(storage, contentOf({ id: idOf(1), coSession: 1, after: 0, count: 2 }));
  await storage.close();
  const child = execFile(process.execPath, [SPRITE_BUNDLE], { env });
  let said = "";
  child.stdout?.on("data", (text) => {
    said += text;
  });
  await until(() => said.includes('"backed up"'), { what: "a backup" });
  child.kill("SIGTERM");
  expect((await once(child, "exit"))[0]).toBe(0);
  const place = await openPlace(env.SPRITE_BACKUP, aws);
  expect(await listBackups(place)).toMatchObject([{ covalues: 1 }]);
  await place.close();
});

describe("A part of Node that is loaded late", () => {
  /** The stand-in, and how often it has asked for the real one. */
  function evaluate(name: string) {
    const loaded: string[] = [];
    const module = { exports: {} };
    const counting = (path: string) => {
      loaded.push(path);
      return require(path);
    };
    new Function("require", "module", standIn(name))(counting, module);
    return { late: module.exports as Record<string, unknown>, loaded };
  }

  test.each(LATE_BUILTINS)("%s has the same members, and is not loaded before one is used", (name) => {
    const real = require(name) as Record<string, unknown>;
    const { late, loaded } = evaluate(name);
    expect(Object.keys(late).toSorted()).toEqual(Object.keys(real).toSorted());
    expect(loaded).toEqual([]);
    for (const member of Object.keys(real)) expect(late[member]).toBe(real[member]);
    expect(loaded).not.toEqual([]);
  });

  test("assert refuses what is wrong, and needs nothing for what is right", () => {
    const { late, loaded } = evaluate("assert");
    const assert = late as unknown as (value: unknown, message?: string) => void;
    assert(1, "is right");
    expect(loaded).toEqual([]);
    expect(() => assert(0, "is wrong")).toThrow(
      expect.objectContaining({ name: "AssertionError", message: "is wrong" }),
    );
  });
});

test("cojson's texts are split as ever by what is loaded late", async () => {
  const { outputFiles } = await build({
    stdin: {
      contents: `import { splitGraphemes } from "unicode-segmenter/grapheme"; module.exports = [...splitGraphemes("a\u{1F44D}\u{1F3FD}e\u0301")];`,
      resolveDir: process.cwd(),
    },
    bundle: true,
    format: "cjs",
    platform: "node",
    write: false,
    plugins: [lateParts],
  });
  const module = { exports: [] as string[] };
  new Function("require", "module", outputFiles[0]?.text ?? "")(require, module);
  expect(module.exports).toEqual(["a", "\u{1F44D}\u{1F3FD}", "e\u0301"]);
});
