import { spawn } from "node:child_process";
import { fileURLToPath } from "node:url";
import { expect, test } from "vitest";
import { FUNCTIONS, HASHER, loadAddon, METHODS } from "./surface.ts";

/** Each run is a session map with up to four calls, and one other call. */
const RUNS = Number(process.env.CRYPTO_FUZZ_RUNS ?? 1_500);
const SEED = Number(process.env.CRYPTO_FUZZ_SEED ?? 20261128);
const CHILD = fileURLToPath(new URL("child.ts", import.meta.url));
const TIMEOUT_MS = 90_000 + RUNS * 20;
/**
 * How many of the calls that the fence refuses are made without it at most, each in a process of its own. Some are refused
 * by the addon, too, for another argument.
 */
const TRIED = 16;

interface Outcome {
  readonly end: number | string | null;
  readonly lines: readonly string[];
  /** What the process said when it ended. */
  readonly said: string;
}

/** One process that makes the calls. */
async function fuzz(surface: string, ...more: string[]): Promise<Outcome> {
  const args = ["--surface", surface, "--seed", String(SEED), "--runs", String(RUNS), ...more];
  const child = spawn(process.execPath, [CHILD, ...args], { stdio: ["ignore", "pipe", "pipe"] });
  let out = "";
  let said = "";
  child.stdout.on("data", (data) => {
    out += data;
  });
  child.stderr.on("data", (data) => {
    said += data;
  });
  const end = await new Promise<number | string | null>((resolve) =>
    child.once("close", (code, signal) => resolve(signal ?? code)),
  );
  return { end, lines: out.trimEnd().split("\n"), said };
}

/** What the addon says when the first of these calls aborts it. */
async function firstAbort(refused: readonly string[]): Promise<string | undefined> {
  for (const line of refused) {
    const [, number = ""] = line.split(" ");
    const { end, said } = await fuzz("addon", "--from", number, "--refused", number);
    if (end === "SIGABRT") return said;
  }
  return undefined;
}

test("the fuzz knows every function that cojson's addon exports, and every method of its classes", () => {
  const addon = loadAddon();
  const classes = { Blake3Hasher: HASHER, SessionMap: METHODS };
  expect(Object.keys(addon).sort()).toEqual([...Object.keys(FUNCTIONS), ...Object.keys(classes)].sort());
  for (const [name, methods] of Object.entries(classes)) {
    const { prototype } = addon[name] as { prototype: object };
    const own = Object.getOwnPropertyNames(prototype).filter((method) => method !== "constructor");
    expect(own.sort()).toEqual(Object.keys(methods).sort());
  }
});

test(`nothing but a signer that the fence refuses aborts the addon (${RUNS} runs)`, {
  timeout: TIMEOUT_MS,
}, async () => {
  const all = await fuzz("addon");
  expect({ end: all.end, last: all.lines.at(-1), said: all.said }).toEqual({
    end: 0,
    last: "done",
    said: "",
  });
  for (const name of [...Object.keys(FUNCTIONS), ...Object.keys(METHODS), ...Object.keys(HASHER)]) {
    expect(all.lines.some((line) => line.startsWith("call") && line.endsWith(` ${name}`))).toBe(true);
  }
  const refused = all.lines.filter((line) => line.startsWith("refused"));
  // This is why there is a fence. When none of them aborts any more, cojson has mended it.
  expect(await firstAbort(refused.slice(0, TRIED))).toContain("Invalid public key");
});

test.each(["native", "wasm"])(
  `no argument ends a process whose %s crypto is a Sprite's (${RUNS} runs)`,
  { timeout: TIMEOUT_MS },
  async (surface) => {
    const { end, lines, said } = await fuzz(surface);
    expect({ end, last: lines.at(-1), said }).toEqual({ end: 0, last: "done", said: "" });
    expect(lines.some((line) => line.startsWith("refused"))).toBe(false);
  },
);
