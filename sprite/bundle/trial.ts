import { type ChildProcess, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { LocalNode } from "cojson";
import { WebSocket } from "ws";
import { asHome, type GroupId, parseCoValueId } from "../../shared/ids.ts";
import { PASS_HEADER, parsePassKeys, signPass } from "../../shared/pass.ts";
import { openCrypto } from "../crypto.ts";

/** How long a Sprite on a busy computer may take for one answer. */
const ANSWER_MS = 60_000;

/** What a Sprite is asked to store, and to give back. */
interface Sample {
  readonly home: GroupId;
  /** The id of a value that lives there. */
  readonly id: string;
  /** What somebody sends who has made it. */
  readonly frame: string;
  /** Content messages by CoValue: of the value, and of what it depends on. */
  readonly contents: ReadonlyMap<string, string>;
}

/**
 * Tries a Sprite's program as it will run when it is woken: one process stores a value, another one gives it back.
 * @param args what Node is started with.
 * @throws Error with the program's own words when it does not work.
 */
export async function tryProgram(args: readonly string[]): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), "sprite-sync-build-"));
  const secret = randomBytes(32).toString("hex");
  const sample = await makeSample();
  const env = {
    PATH: process.env.PATH,
    SPRITE_HOME: sample.home,
    PASS_KEYS: secret,
    SPRITE_DATA: join(directory, "store"),
    SPRITE_SLEEP_AFTER: "0",
    PORT: "0",
  };
  try {
    const load = JSON.stringify({ action: "load", id: sample.id, header: false, sessions: {} });
    for (const frame of [sample.frame, load]) {
      const sprite = spawn(process.execPath, args, { env, stdio: ["ignore", "pipe", "pipe"] });
      await ask(sprite, frame, sample, secret);
    }
  } finally {
    await rm(directory, { recursive: true, force: true });
  }
}

/** Sends `frame`, waits for the answer about the sample's value, and ends the Sprite in order. */
async function ask(sprite: ChildProcess, frame: string, sample: Sample, secret: string): Promise<void> {
  const words: string[] = [];
  const exited = once(sprite, "exit");
  const giveUp = setTimeout(() => sprite.kill("SIGKILL"), ANSWER_MS);
  try {
    const port = await listeningPort(sprite, words);
    const pass = await signPass({ home: sample.home, session: "build", after: 0 }, parsePassKeys(secret));
    const socket = new WebSocket(`ws://127.0.0.1:${port}/sync`, { headers: { [PASS_HEADER]: pass } });
    socket.once("open", () => socket.send(frame));
    await answer(socket, sample);
    sprite.kill("SIGTERM");
    const [code, signal] = await exited;
    if (code !== 0) throw new Error(`the Sprite ended with ${code ?? signal}`);
  } catch (cause) {
    sprite.kill("SIGKILL");
    const [code, signal] = await exited;
    const what = `the Sprite does not work, and ended with ${code ?? signal}`;
    throw new Error([what, ...words].join("\n"), { cause });
  } finally {
    clearTimeout(giveUp);
  }
}

/** Waits for what the Sprite says about the sample's value; what the Sprite asks for meanwhile it gets. */
function answer(socket: WebSocket, { id, contents }: Sample): Promise<void> {
  return new Promise((resolve, reject) => {
    socket.on("message", (data) => {
      for (const text of String(data).split("\n")) {
        const message = JSON.parse(text) as { action?: string; id?: string };
        const content = contents.get(message.id ?? "");
        if (message.action === "load" && content !== undefined) socket.send(content);
        else if (message.action !== undefined && message.id === id) resolve();
      }
    });
    socket.once("error", reject);
    socket.once("close", () => reject(new Error("the Sprite closed the socket")));
  });
}

/** Waits until the Sprite listens; what it says is added to `words`. */
function listeningPort(sprite: ChildProcess, words: string[]): Promise<number> {
  return new Promise((resolve, reject) => {
    for (const stream of [sprite.stdout, sprite.stderr]) {
      if (!stream) continue;
      createInterface({ input: stream }).on("line", (line) => {
        words.push(line);
        const [, port] = /"port":(\d+).*"msg":"listening"/.exec(line) ?? [];
        if (port) resolve(Number(port));
      });
    }
    sprite.once("error", reject);
    sprite.once("exit", (code, signal) => reject(new Error(`the Sprite ended with ${code ?? signal}`)));
  });
}

/** A group with a value in it, and the account that made them. */
async function makeSample(): Promise<Sample> {
  const { provider: crypto } = await openCrypto();
  const { node } = await LocalNode.withNewlyCreatedAccount({ creationProps: { name: "build" }, crypto });
  const group = node.createGroup();
  const map = group.createMap();
  map.set("title", "a note of a few words");
  const contents = new Map<string, string>();
  for (const { core } of [node.expectCurrentAccount("build"), group, map]) {
    const [content, ...more] = core.newContentSince(undefined) ?? [];
    if (!content || more.length > 0) throw new Error("a sample was expected that fits into one message");
    contents.set(core.id, JSON.stringify(content));
  }
  const home = parseCoValueId(group.id);
  if (!home) throw new Error(`${group.id} is not the id of a CoValue`);
  // Not the account: it lives elsewhere, and the Sprite asks for it.
  const frame = [contents.get(group.id), contents.get(map.id)].join("\n");
  return { home: asHome(home), id: map.id, frame, contents };
}
