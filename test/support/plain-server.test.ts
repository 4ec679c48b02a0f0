import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LocalNode, type RawCoMap } from "cojson";
import { NapiCrypto } from "cojson/crypto/NapiCrypto";
import { createWebSocketPeer } from "cojson-transport-ws";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { WebSocket } from "ws";
import { type PlainServer, startPlainServer } from "./plain-server.ts";

const crypto = await NapiCrypto.create();

function connectClient(server: PlainServer): LocalNode {
  const secret = crypto.newRandomAgentSecret();
  const node = new LocalNode(secret, crypto.newRandomSessionID(crypto.getAgentID(secret)), crypto);
  const websocket = new WebSocket(server.url);
  node.syncManager.addPeer(createWebSocketPeer({ id: "server", role: "server", websocket }));
  return node;
}

async function writeGreeting(server: PlainServer): Promise<RawCoMap["id"]> {
  const author = connectClient(server);
  const group = author.createGroup();
  group.addMember("everyone", "reader");
  const map = group.createMap({ greeting: "hello" });
  await author.syncManager.waitForAllCoValuesSync();
  await author.gracefulShutdown();
  return map.id;
}

async function readGreeting(server: PlainServer, id: RawCoMap["id"]): Promise<unknown> {
  const reader = connectClient(server);
  const map = await reader.load(id);
  await reader.gracefulShutdown();
  return map === "unavailable" ? map : map.get("greeting");
}

describe("the plain server", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "sprite-sync-plain-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  it("in memory passes a value from one client to another", async () => {
    const server = await startPlainServer({ storage: "memory" });
    expect(await readGreeting(server, await writeGreeting(server))).toBe("hello");
    await server.close();
  });

  it.each(["NORMAL", "FULL"] as const)(
    "on SQLite (synchronous %s) serves after a restart what it acknowledged",
    async (synchronous) => {
      const storage = { sqlite: join(folder, "plain.db"), synchronous };
      const first = await startPlainServer({ storage });
      const id = await writeGreeting(first);
      await first.close();

      const second = await startPlainServer({ storage });
      expect(second.node.getCoValue(id).isAvailable()).toBe(false);
      expect(await readGreeting(second, id)).toBe("hello");
      await second.close();
    },
  );

  it("pings a client before it has sent anything", async () => {
    const server = await startPlainServer({ storage: "memory" });
    const socket = new WebSocket(server.url);
    const frame = await new Promise<string>((resolve) =>
      socket.once("message", (data) => resolve(String(data))),
    );
    expect(JSON.parse(frame)).toEqual({ type: "ping", time: expect.any(Number), dc: "plain" });
    socket.close();
    await server.close();
  });
});
