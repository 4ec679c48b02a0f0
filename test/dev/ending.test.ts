import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { factsOf } from "../../cli/process-facts.ts";
import { freePort } from "../../dev/fleet/index.ts";
import { startClient } from "../support/client.ts";
import { until } from "../support/until.ts";

const root = fileURLToPath(new URL("../..", import.meta.url));
const LONG = { timeoutMs: 60_000 };

interface Running {
  readonly process: ChildProcess;
  readonly lines: string[];
  readonly exit: Promise<number | null>;
}

/** `npm run …`, or its program itself; whatever it leaves in its process group is killed when the test is over. */
function run(file: string, args: string[]): Running {
  const child = spawn(file, args, {
    cwd: root,
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
    env: {
      PATH: `${dirname(process.execPath)}${delimiter}${process.env.PATH}`,
      HOME: process.env.HOME ?? tmpdir(),
    },
  });
  const lines: string[] = [];
  for (const stream of [child.stdout, child.stderr])
    createInterface({ input: stream }).on("line", (line) => lines.push(line));
  onTestFinished(() => kill(-(child.pid ?? 0)));
  return { process: child, lines, exit: once(child, "exit").then(([code]) => code as number | null) };
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch {
    // It is gone, as it should be.
  }
}

const ready = ({ lines }: Running) =>
  until(() => lines.find((line) => line.startsWith("ready "))?.slice("ready ".length), {
    ...LONG,
    what: "ready",
  });

const isRunning = (pid: number) => factsOf(pid)?.command;

async function newDirectory(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), "sprite-sync-ending-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true, maxRetries: 10 }));
  return directory;
}

const readJson = async (...path: string[]) => JSON.parse(await readFile(join(...path), "utf8"));

describe("npm run dev", { timeout: 240_000 }, () => {
  const DEV = [join(root, "dev/main.ts"), "--sleep-after", "0"];

  /** A stack with a Sprite that is awake. @returns the processes behind it. */
  async function startDev(file: string, args: string[], data: string) {
    const stack = run(file, [...args, "--data", data]);
    const client = await startClient(await ready(stack));
    client.node.createGroup().createMap().set("colour", "blue", "trusting");
    await client.synced();
    await client.close();
    const { pid: workerd } = (await readJson(data, "edge-process.json")) as { pid: number };
    const { machines } = (await readJson(data, "fleet", "fleet.json")) as { machines: { pid: number }[] };
    const sprites = machines.map(({ pid }) => pid);
    onTestFinished(() => [workerd, ...sprites].forEach(kill));
    expect([workerd, ...sprites].filter((pid) => !isRunning(pid))).toEqual([]);
    expect(sprites.length).toBeGreaterThan(0);
    return { ...stack, workerd, sprites };
  }

  test("ends in order when its terminal is closed, with workerd and all Sprites", async () => {
    const stack = await startDev(process.execPath, [...DEV, "--port", "0"], await newDirectory());
    // Nothing can be written any more, either.
    stack.process.stdout?.destroy();
    stack.process.stderr?.destroy();
    stack.process.kill("SIGHUP");
    expect(await stack.exit).toBe(0);
    expect([stack.workerd, ...stack.sprites].filter(isRunning)).toEqual([]);
  });

  test.each(["SIGHUP", "SIGTERM"] as const)("ends in order when npm alone gets %s", async (signal) => {
    const args = ["run", "dev", "--", "--sleep-after", "0", "--port", "0"];
    const stack = await startDev("npm", args, await newDirectory());
    stack.process.kill(signal);
    await until(() => [stack.workerd, ...stack.sprites].every((pid) => !isRunning(pid)), {
      ...LONG,
      what: "the end of everything",
    });
  });

  test("after kill -9, is told whose process has its port, or ends what it has itself left there", async () => {
    const [data, port] = [await newDirectory(), String(await freePort())];
    const stack = await startDev(process.execPath, [...DEV, "--port", port], data);
    stack.process.kill("SIGKILL");
    await stack.exit;
    expect(isRunning(stack.workerd)).toContain("workerd");

    const other = run(process.execPath, [...DEV, "--port", port, "--data", await newDirectory()]);
    expect(await other.exit).toBe(1);
    expect(other.lines.at(-1)).toMatch(
      new RegExp(`^port ${port} is taken; end process ${stack.workerd} \\(workerd\\)`),
    );

    const again = run(process.execPath, [...DEV, "--port", port, "--data", data]);
    expect(await ready(again)).toBe(`ws://127.0.0.1:${port}/sync`);
    expect([stack.workerd, ...stack.sprites].filter(isRunning)).toEqual([]);
    again.process.kill("SIGTERM");
    expect(await again.exit).toBe(0);
  });
});

describe("npm run single", { timeout: 120_000 }, () => {
  test("ends in order when its terminal is closed", async () => {
    const args = ["--port", "0", "--data", await newDirectory()];
    const single = run(process.execPath, [join(root, "sprite/single.ts"), ...args]);
    await ready(single);
    single.process.kill("SIGHUP");
    expect(await single.exit).toBe(0);
  });

  test("ends when npm alone gets SIGHUP", async () => {
    const data = await newDirectory();
    const npm = run("npm", ["run", "single", "--", "--port", "0", "--data", data]);
    const url = (await ready(npm)).replace(/^ws(.*)\/sync$/, "http$1/healthz");
    npm.process.kill("SIGHUP");
    await until(
      () =>
        fetch(url)
          .then(() => false)
          .catch(() => true),
      { ...LONG, what: "its port being free" },
    );
  });
});
