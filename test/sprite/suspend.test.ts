import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer, type Server } from "node:http";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { describe, expect, onTestFinished, test } from "vitest";
import { CLOSE } from "../../shared/limits.ts";
import { Bed, suspends } from "../../sprite/bed.ts";
import { until } from "../support/until.ts";
import {
  asGroupId,
  connect,
  type Listener,
  listen,
  loadFresh,
  newAccount,
  newGroup,
  PASS_SECRET,
  temporaryDirectory,
} from "./support.ts";

const MAIN = fileURLToPath(new URL("../../sprite/main.ts", import.meta.url));

/** Fly's API as a Machine has it inside, on a Unix socket: it answers, and then everything stands still. */
async function machineApi(directory: string, answer: { status: number; freezes: boolean }) {
  const asked: string[] = [];
  const world = { socket: join(directory, "api"), asked, answer, freeze: () => {} };
  const server: Server = createServer((request, response) => {
    asked.push(`${request.method} ${request.url}`);
    response.writeHead(world.answer.status, { "content-type": "application/json" });
    response.end('{"ok":true}', () => {
      if (world.answer.freezes) world.freeze();
    });
  });
  server.listen(world.socket);
  await once(server, "listening");
  onTestFinished(() => void server.close());
  return world;
}

/** A Sprite as a process in a Machine that can be suspended: SIGSTOP stops its clocks' timers, not the clocks. */
async function spriteInMachine(
  answer: { status: number; freezes: boolean } = { status: 200, freezes: true },
) {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "reader");
  const map = group.createMap();
  const directory = temporaryDirectory();
  const api = await machineApi(directory, answer);
  const env = {
    SPRITE_HOME: group.id,
    PORT: "0",
    SPRITE_DATA: join(directory, "store"),
    PASS_KEYS: PASS_SECRET,
    SPRITE_SLEEP_AFTER: "1",
    SPRITE_SLEEP: "suspend",
    SPRITE_MACHINE_SOCKET: api.socket,
    FLY_APP_NAME: "app",
    FLY_MACHINE_ID: "machine-1",
  };
  const child: ChildProcess = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "inherit"] });
  onTestFinished(() => void child.kill("SIGKILL"));
  let frozen = 0;
  api.freeze = () => {
    child.kill("SIGSTOP");
    frozen++;
  };
  const lines: string[] = [];
  if (child.stdout) createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  const listening = await until(() => lines.find((line) => line.includes('"listening"')), {
    what: "it to listen",
    timeoutMs: 60_000,
  });
  const { port } = JSON.parse(listening) as { port: number };
  const says = (text: string) => until(() => lines.some((line) => line.includes(text)), { what: text });
  return {
    sprite: { url: `ws://127.0.0.1:${port}/sync`, home: asGroupId(group.id) },
    node: alice.core.node,
    map,
    child,
    api,
    lines,
    says,
    asleep: (times: number) => until(() => frozen === times, { what: `freeze ${times}` }),
    async resume() {
      // Long enough for the clocks to show that it was no hiccup.
      const since = Date.now();
      await until(() => Date.now() - since > 700, { what: "the pause to be a pause" });
      child.kill("SIGCONT");
      await until(() => lines.filter((line) => line.includes('"resumed"')).length === frozen, {
        what: "its resume",
      });
    },
    async write(value: number) {
      map.set("n", value, "trusting");
      const { peerId, close } = await connect(alice.core.node, {
        url: `ws://127.0.0.1:${port}/sync`,
        home: asGroupId(group.id),
      });
      await alice.core.node.syncManager.waitForSyncWithPeer(peerId, map.id, 30_000);
      close();
    },
  };
}

const helloOf = (edge: Listener) => until(() => edge.of("hello")[0], { what: "a hello" });

describe("a Sprite whose Machine can be suspended", { timeout: 120_000 }, () => {
  test("asks for that when it is idle, and serves on with its memory when it resumes, in a new awake period", async () => {
    const world = await spriteInMachine();
    await world.write(1);
    const edge = await listen(world.sprite);
    const first = await helloOf(edge);
    expect((await edge.closed)[0]).toBe(CLOSE.asleep);
    await world.asleep(1);
    expect(world.api.asked).toEqual(["POST /v1/apps/app/machines/machine-1/suspend"]);
    const { pid } = world.child;
    await world.resume();
    const again = await listen(world.sprite);
    const second = await helloOf(again);
    expect(second.boot).not.toBe(first.boot);
    expect(second.period).toBe(Number(first.period) + 1);
    // The same process: nothing was loaded or opened again.
    expect([world.child.pid, world.child.exitCode]).toEqual([pid, null]);
    expect(world.lines.filter((line) => line.includes('"storage open"'))).toHaveLength(1);
    expect((await loadFresh(world.sprite, world.map.id)).get("n")).toBe(1);
    await world.write(2);
    await again.closed;
    await world.asleep(2);
    await world.resume();
    expect((await loadFresh(world.sprite, world.map.id)).get("n")).toBe(2);
  });

  test("loses nothing when its memory does: killed while suspended, the next process has all that was acknowledged", async () => {
    const world = await spriteInMachine();
    await world.write(7);
    await world.asleep(1);
    world.child.kill("SIGKILL");
    await once(world.child, "exit");
    const directory = join(world.api.socket, "..");
    const env = {
      SPRITE_HOME: world.sprite.home,
      PORT: "0",
      SPRITE_DATA: join(directory, "store"),
      PASS_KEYS: PASS_SECRET,
    };
    const next = spawn(process.execPath, [MAIN], { env, stdio: ["ignore", "pipe", "inherit"] });
    onTestFinished(() => void next.kill("SIGKILL"));
    const lines: string[] = [];
    createInterface({ input: next.stdout }).on("line", (line) => lines.push(line));
    const listening = await until(() => lines.find((line) => line.includes('"listening"')), {
      what: "it to listen",
      timeoutMs: 60_000,
    });
    const url = `ws://127.0.0.1:${JSON.parse(listening).port}/sync`;
    expect((await loadFresh({ ...world.sprite, url }, world.map.id)).get("n")).toBe(7);
  });

  test("exits instead when Fly refuses", async () => {
    const world = await spriteInMachine({ status: 412, freezes: false });
    await world.write(1);
    const [code] = await once(world.child, "exit");
    expect([code, world.api.asked.length]).toEqual([0, 1]);
  });
});

describe("a suspend call that its own pause cuts off", () => {
  test("has worked when the clocks say so", async () => {
    const events: string[] = [];
    const bed = new Bed({
      api: {
        suspend: async () => {
          await new Promise((next) => setTimeout(next, 50));
          // This thread stands still as the Machine does; then the call fails.
          Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 600);
          throw new Error("ECONNRESET");
        },
      },
      sleeper: { settled: async () => {}, wake: () => events.push("awake") },
      exit: () => events.push("exit"),
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
    await bed.lie();
    expect(events).toEqual(["awake"]);
  });
});

describe("a suspend that Fly accepts and that has no effect", () => {
  test("is tried twice in a row, then the process ends: it would stay awake, and billed", async () => {
    const events: string[] = [];
    const bed = new Bed({
      api: { suspend: async () => void events.push("asked") },
      sleeper: { settled: async () => {}, wake: () => events.push("awake") },
      exit: () => events.push("exit"),
      log: { debug() {}, info() {}, warn() {}, error() {} },
    });
    // A busy computer can look like a pause once in a while: then it counts anew.
    while (!events.includes("exit")) await bed.lie();
    expect(events.slice(-4)).toEqual(["asked", "awake", "asked", "exit"]);
  });
});

describe("SPRITE_SLEEP", () => {
  test.each([
    ["exit", true, 256, 0, false],
    ["auto", true, 256, 0, true],
    ["auto", true, 2_048, 0, true],
    ["auto", true, 4_096, 0, false],
    ["auto", true, 256, 1_024, false],
    ["auto", false, 256, 0, false],
    ["suspend", true, 4_096, 1_024, true],
    ["suspend", false, 256, 0, false],
  ] as const)(
    "%s, with somebody to ask: %s, %i MB, %i KiB of swap: suspends = %s",
    (way, hasApi, mb, swap, result) => {
      expect(suspends(way, hasApi, mb, swap)).toBe(result);
    },
  );
});
