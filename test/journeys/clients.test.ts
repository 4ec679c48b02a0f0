import { once } from "node:events";
import type { IncomingMessage } from "node:http";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { WebSocket } from "ws";
import { asHome } from "../../shared/ids.ts";
import { PASS_HEADER, parsePassKeys, signSpritePass } from "../../shared/pass.ts";
import { startClient } from "../support/client.ts";
import { contentOf, idOf, newNode } from "../support/real-values.ts";
import { startTestStack, type TestStack } from "../support/test-stack.ts";
import { openWire } from "../support/wire.ts";

/** Homes that a client may found in ten seconds. */
const LIMIT = 4;
const KEY = "a-key-that-clients-of-the-edge-know";

/** What an upgrade is answered: 101, or the refusal. */
async function knock(url: string, headers: Record<string, string> = {}) {
  const socket = new WebSocket(url, { headers });
  const refused = once(socket, "unexpected-response").then(async ([, answer]) => {
    const response = answer as IncomingMessage;
    const body = JSON.parse((await response.toArray()).join("")) as { error: string };
    return { status: response.statusCode, error: body.error, retryAfter: response.headers["retry-after"] };
  });
  const opened = once(socket, "open").then(() => ({ status: 101 }));
  const answer = await Promise.race([refused, opened]);
  socket.terminate();
  return answer;
}

describe("an edge with keys and limits", () => {
  let stack: TestStack;

  beforeAll(async () => {
    stack = await startTestStack({
      edgeVars: { CLIENT_AUTH: "key", CLIENT_KEYS: KEY },
      // The shortest period that there is, so that the wait can be seen to end.
      rateLimits: { NEW_SESSIONS: { limit: 8, period: 60 }, NEW_SPRITES: { limit: LIMIT, period: 10 } },
    });
  });
  afterAll(() => stack?.close());

  const from = (address: string) => ({ "CF-Connecting-IP": address });
  const withKey = () => `${stack.syncUrl}?key=${KEY}`;

  test("lets unmodified clients in by their key, and nobody else", async () => {
    expect(await knock(stack.syncUrl, from("192.0.2.1"))).toMatchObject({
      status: 401,
      error: "client-refused",
    });
    expect(await knock(`${stack.syncUrl}?key=wrong`, from("192.0.2.1"))).toMatchObject({ status: 401 });
    expect(await knock(withKey(), from("192.0.2.1"))).toEqual({ status: 101 });
    const client = await startClient(withKey());
    const map = client.node.createGroup().createMap({ let: "in" });
    await client.synced();
    expect(stack.machineOf(map.group.id).state).toBe("started");
    await client.close();
  });

  test("takes so many new sessions of one network a minute, with a key or without, and none of another's", async () => {
    for (let n = 0; n < 8; n++) {
      const url = n % 2 ? withKey() : `${stack.syncUrl}?key=guess-${n}`;
      expect((await knock(url, from("192.0.2.2"))).status).toBe(n % 2 ? 101 : 401);
    }
    for (const url of [withKey(), `${stack.syncUrl}?key=guess`]) {
      expect(await knock(url, from("192.0.2.2"))).toEqual({ status: 429, error: "rate", retryAfter: "60" });
    }
    expect(await knock(withKey(), from("192.0.2.3"))).toEqual({ status: 101 });
  });

  test("knows its Sprites by their pass: they need no key and are not counted", async () => {
    const { node } = await newNode();
    const pass = await signSpritePass(asHome(idOf(node.createGroup())), parsePassKeys(stack.passKeys));
    for (let n = 0; n < 12; n++) {
      expect(await knock(stack.syncUrl, { ...from("192.0.2.4"), [PASS_HEADER]: pass })).toEqual({
        status: 101,
      });
    }
  });

  test("lets a client found so many groups at a time; the others wait, and all are stored in the end", async () => {
    const before = stack.fleet.machines().length;
    const client = await startClient(withKey());
    const groups = Array.from({ length: 4 }, () => client.node.createGroup());
    const { node, accountID } = await newNode();
    const wire = await openWire(withKey());
    // The account proves its groups.
    for (const text of contentOf({ core: node.expectCoValueLoaded(accountID) })) wire.sendRaw(text);
    // More than two periods allow, so that it is over the limit wherever in a period this falls.
    for (let n = 0; n <= 2 * LIMIT; n++) for (const text of contentOf(node.createGroup())) wire.sendRaw(text);
    await wire.next(({ code }) => code === "rate", "the news that it has to wait");
    expect(stack.fleet.machines().length).toBeLessThanOrEqual(before + 2 * LIMIT);
    await wire.close();
    await client.synced();
    for (const { id } of groups) expect(stack.machineOf(id)).toBeDefined();
    expect(client.closures()).toBe(0);
    await client.close();
  }, 60_000);
});
