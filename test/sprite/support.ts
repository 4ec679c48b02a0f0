import { mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  LocalNode,
  type RawAccount,
  type RawCoID,
  type RawCoMap,
  type RawGroup,
  type StorageAPI,
} from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { createWebSocketPeer } from "cojson-transport-ws";
import { onTestFinished } from "vitest";
import WebSocket from "ws";
import { asHome, type GroupId, parseCoValueId } from "../../shared/ids.ts";
import type { Log } from "../../shared/log.ts";
import { PASS_HEADER, parsePassKeys, signPass } from "../../shared/pass.ts";
import { routeCojsonLog } from "../../sprite/cojson-log.ts";
import { Listener as HttpListener } from "../../sprite/listener.ts";
import { PeriodCount } from "../../sprite/period-count.ts";
import { Sprite, type SpriteDeps } from "../../sprite/sprite.ts";
import { openStorage } from "../../sprite/storage/index.ts";

export const PASS_SECRET = "a-secret-for-tests-of-at-least-32-characters";
export const PASS_KEYS = parsePassKeys(PASS_SECRET);

export const crypto = await NapiCrypto.create();

export const SILENT: Log = { debug() {}, info() {}, warn() {}, error() {} };

routeCojsonLog(SILENT);

export function asGroupId(id: string): GroupId {
  const parsed = parseCoValueId(id);
  if (!parsed) throw new Error(`not a CoValue id: ${id}`);
  return asHome(parsed);
}

/** A directory that goes away with the test. */
export function temporaryDirectory(): string {
  const directory = mkdtempSync(join(tmpdir(), "sprite-"));
  onTestFinished(() => rm(directory, { recursive: true, force: true }));
  return directory;
}

export interface TestSprite {
  readonly sprite: Sprite;
  readonly url: string;
  readonly home: GroupId;
  readonly asleep: Promise<void>;
}

/** A real Sprite in this process, on a real store. */
export async function startSprite(
  home: string,
  options: Partial<SpriteDeps> & { directory?: string; wrap?: (storage: StorageAPI) => StorageAPI } = {},
): Promise<TestSprite> {
  const { directory = temporaryDirectory(), wrap = (storage) => storage, ...deps } = options;
  let onAsleep = () => {};
  const asleep = new Promise<void>((resolve) => {
    onAsleep = resolve;
  });
  const { sprite, port } = await Sprite.start({
    role: {
      kind: "home",
      home: asGroupId(home),
      passKeys: PASS_KEYS,
      periods: new PeriodCount(join(directory, "awake-periods")),
    },
    openStorage: async () => wrap(await openStorage(join(directory, "store"))),
    listener: new HttpListener(0, "127.0.0.1"),
    sleepAfterMs: 0,
    log: SILENT,
    onAsleep,
    ...deps,
  });
  onTestFinished(() => sprite.close());
  return { sprite, url: `ws://127.0.0.1:${port}/sync`, home: asGroupId(home), asleep };
}

/** Opens a socket as the edge does: with a pass. */
export async function dial(
  { url, home }: Pick<TestSprite, "url" | "home">,
  session = "test",
): Promise<WebSocket> {
  const pass = await signPass({ home, session, after: 0 }, PASS_KEYS);
  const socket = new WebSocket(url, { headers: { [PASS_HEADER]: pass } });
  onTestFinished(() => socket.terminate());
  return socket;
}

/** A socket that keeps what it hears; texts, one for each message. */
export interface Listener {
  readonly socket: WebSocket;
  readonly heard: string[];
  /** `[code, reason]` once it is closed. */
  readonly closed: Promise<readonly [number, string]>;
  send(message: unknown): void;
  /** Messages heard with this action or type. */
  of(kind: string): Record<string, unknown>[];
}

export async function listen(sprite: Pick<TestSprite, "url" | "home">): Promise<Listener> {
  const socket = await dial(sprite);
  const heard: string[] = [];
  socket.on("message", (data) => heard.push(...data.toString().split("\n")));
  const closed = new Promise<readonly [number, string]>((resolve) => {
    socket.on("close", (code, reason) => resolve([code, reason.toString()]));
  });
  await new Promise((resolve, reject) => {
    socket.on("open", resolve);
    socket.on("error", reject);
  });
  return {
    socket,
    heard,
    closed,
    send: (message) => socket.send(typeof message === "string" ? message : JSON.stringify(message)),
    of: (kind) =>
      heard
        .map((text) => JSON.parse(text) as Record<string, unknown>)
        .filter(({ action, type }) => action === kind || type === kind),
  };
}

/** A client: an account on a node of its own, as a browser has it. */
export function newAccount(): RawAccount {
  return LocalNode.internalCreateAccount({ crypto });
}

/** Connects a client's node to a Sprite directly. @returns hangs up. */
export async function connect(
  node: LocalNode,
  sprite: Pick<TestSprite, "url" | "home">,
  { persistent = false } = {},
): Promise<{ close(): void; peerId: string }> {
  const websocket = await dial(sprite);
  const peerId = `sprite-${Math.random()}`;
  const peer = createWebSocketPeer({
    id: peerId,
    websocket,
    role: "server",
    deletePeerStateOnClose: !persistent,
  });
  node.syncManager.addPeer(peer);
  return { peerId, close: () => websocket.terminate() };
}

/** Everything a node has of a CoValue, as content messages. */
export function contentOf(node: LocalNode, id: RawCoID) {
  const content = node.expectCoValueLoaded(id).newContentSince(undefined);
  if (!content) throw new Error(`${id} has no content`);
  return content;
}

/** Loads a map with a client that has nothing but the Sprite. */
export async function loadFresh(sprite: Pick<TestSprite, "url" | "home">, id: RawCoID): Promise<RawCoMap> {
  const { node } = newAccount().core;
  const connection = await connect(node, sprite);
  const map = await node.load(id as RawCoMap["id"]);
  if (map === "unavailable") throw new Error(`${id} is unavailable`);
  // A long one comes in pieces.
  await map.core.waitForFullStreaming();
  connection.close();
  return map;
}

export function newGroup(account: RawAccount): RawGroup {
  return account.core.node.createGroup();
}

/** The real storage, whose stores wait until the test opens the gate. */
export function slowDisk() {
  let waiting: (() => void)[] | undefined;
  const wrap = (storage: StorageAPI): StorageAPI =>
    new Proxy(storage, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        if (name !== "store") return member.bind(target);
        return (...args: Parameters<StorageAPI["store"]>) => {
          const store = () => target.store(...args);
          if (waiting) waiting.push(store);
          else store();
        };
      },
    });
  return {
    wrap,
    stop() {
      waiting = [];
    },
    /** Loses what waits, as a disk that fails does. */
    lose() {
      waiting = undefined;
    },
    go() {
      const stores = waiting ?? [];
      waiting = undefined;
      for (const store of stores) store();
    },
    get held() {
      return waiting?.length ?? 0;
    },
  };
}
