import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { get } from "node:http";
import { createInterface } from "node:readline";
import { WebSocket } from "ws";
import { parseHello } from "../../shared/control.ts";
import type { GroupId } from "../../shared/ids.ts";
import { PASS_HEADER, signPass } from "../../shared/pass.ts";
import { parseStep } from "./steps.ts";

/** A Sprite's disk with something on it, and what somebody needs who starts a Sprite there. */
export interface StoredSprite {
  readonly home: GroupId;
  readonly passKeys: string;
  /** The Sprite's `SPRITE_DATA`. */
  readonly data: string;
  /** Asks for a value, and how the answer begins. */
  readonly load: string;
  readonly answer: string;
}

/** A Sprite's process that listens. */
interface Started {
  readonly process: ChildProcess;
  readonly port: number;
  /** Milliseconds since it was spawned. */
  readonly since: () => number;
}

/**
 * Starts a Sprite and asks for its health as soon as it listens.
 * @param args what Node is started with.
 * @returns milliseconds from spawning the process to the answer.
 */
export function answerToHealth(args: readonly string[], stored: StoredSprite): Promise<number> {
  return withSprite(args, stored, async ({ port, since }) => {
    // A Sprite whose store is still opening answers 503: it is there, and says so.
    const request = get({ host: "127.0.0.1", port, path: "/healthz", agent: false });
    const [response] = await once(request, "response");
    const answered = since();
    response.resume();
    return answered;
  });
}

/**
 * Starts a Sprite, opens a socket to it as the edge does, and asks for a value once the Sprite has said who it is.
 * @param reached is told when the value has come, while the process still runs.
 * @returns milliseconds from spawning the process to each answer.
 */
export async function answerToLoad(
  args: readonly string[],
  stored: StoredSprite,
  reached: (process: ChildProcess) => void = () => undefined,
): Promise<{ hello: number; firstByte: number }> {
  const { home, passKeys, load, answer } = stored;
  // Made before the clock runs: the edge's work is not the Sprite's.
  const pass = await signPass({ home, session: "bench", after: 0 }, [new TextEncoder().encode(passKeys)]);
  return withSprite(args, stored, async ({ process, port, since }) => {
    const headers = { [PASS_HEADER]: pass };
    const socket = new WebSocket(`ws://127.0.0.1:${port}/sync`, { headers, perMessageDeflate: false });
    const hello = await said(socket, (text) => parseHello(text) !== undefined).then(since);
    socket.send(load);
    const firstByte = await said(socket, (text) => text.startsWith(answer)).then(since);
    reached(process);
    socket.terminate();
    return { hello, firstByte };
  });
}

/** Spawns a Sprite, with no edge in between, and stops it in order after `use`. @throws Error when it ends before. */
async function withSprite<Result>(
  args: readonly string[],
  { home, passKeys, data }: StoredSprite,
  use: (started: Started) => Promise<Result>,
): Promise<Result> {
  const begun = performance.now();
  const child = spawn(process.execPath, args, {
    stdio: ["ignore", "pipe", "inherit"],
    // Not the developer's environment: a Machine does not see it.
    env: {
      PATH: process.env.PATH,
      SPRITE_HOME: home,
      PASS_KEYS: passKeys,
      SPRITE_DATA: data,
      SPRITE_SLEEP_AFTER: "0",
      PORT: "0",
    },
  });
  const exited = once(child, "exit");
  try {
    const port = await listeningPort(child);
    return await use({ process: child, port, since: () => performance.now() - begun });
  } finally {
    child.kill("SIGTERM");
    await exited;
  }
}

/** The port in the Sprite's log. @throws Error with its words when it ends before. */
function listeningPort(child: ChildProcess): Promise<number> {
  return new Promise((resolve, reject) => {
    if (!child.stdout) throw new Error("the Sprite's output is not piped");
    const lines: string[] = [];
    createInterface({ input: child.stdout }).on("line", (line) => {
      lines.push(line);
      if (parseStep(line)?.[0] === "listening") resolve((JSON.parse(line) as { port: number }).port);
    });
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`a Sprite ended with ${code}: ${lines.join("\n")}`)));
  });
}

/** Waits for a message. */
function said(socket: WebSocket, isIt: (text: string) => boolean): Promise<void> {
  return new Promise((resolve, reject) => {
    const listen = (data: unknown) => {
      if (!String(data).split("\n").some(isIt)) return;
      socket.off("message", listen);
      resolve();
    };
    socket.on("message", listen);
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the Sprite closed the socket before it had answered")));
  });
}
