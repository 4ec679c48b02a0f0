import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import type { RawCoID, StorageAPI } from "cojson";
import { describe, expect, onTestFinished, test } from "vitest";
import { type Digest, hasRecord, mergedValues, parseDigest, recordOf } from "../../shared/digest.ts";
import { CLOSE } from "../../shared/limits.ts";
import { PASS_HEADER, verifySpritePass } from "../../shared/pass.ts";
import { openStorage } from "../../sprite/storage/index.ts";
import { until } from "../support/until.ts";
import { startProcess } from "./own-process.ts";
import {
  connect,
  contentOf,
  dial,
  listen,
  loadFresh,
  newAccount,
  newGroup,
  PASS_KEYS,
  startSprite,
  type TestSprite,
  temporaryDirectory,
} from "./support.ts";

function writer() {
  const alice = newAccount();
  const group = newGroup(alice);
  group.addMember("everyone", "writer");
  return { node: alice.core.node, group, map: group.createMap() };
}

type Writer = ReturnType<typeof writer>;

/** The real storage, which takes as long to name its content as the test wants. */
function slowMark() {
  const asked = Promise.withResolvers<void>();
  const go = Promise.withResolvers<void>();
  const wrap = (storage: StorageAPI): StorageAPI =>
    new Proxy(storage, {
      get(target, name) {
        const member: unknown = Reflect.get(target, name);
        if (typeof member !== "function") return member;
        if (name !== "mark") return member.bind(target);
        return async (...args: unknown[]) => {
          asked.resolve();
          await go.promise;
          return Reflect.apply(member, target, args);
        };
      },
    });
  return { wrap, asked: asked.promise, go: () => go.resolve() };
}

/** An edge that hears last words and answers them with a status, or never. */
async function startHearer(status: number | undefined) {
  const heard: { readonly url: string; readonly pass: string; readonly body: string }[] = [];
  const server = createServer(async (request, response) => {
    const parts: Buffer[] = [];
    for await (const part of request) parts.push(part as Buffer);
    const pass = String(request.headers[PASS_HEADER]);
    heard.push({ url: request.url ?? "", pass, body: Buffer.concat(parts).toString() });
    if (status !== undefined) response.writeHead(status).end();
  });
  await once(server.listen(0, "127.0.0.1"), "listening");
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  return { heard, syncUrl: `ws://127.0.0.1:${(server.address() as AddressInfo).port}/sync` };
}

/** Uploads the writer's group and map, hangs up, and returns what the Sprite says last when it sleeps. */
async function lastWords(sprite: TestSprite): Promise<Digest | undefined> {
  const edge = await listen(sprite);
  const frames: string[] = [];
  edge.socket.on("message", (data) => frames.push(data.toString()));
  expect((await edge.closed)[0]).toBe(CLOSE.asleep);
  return parseDigest(frames.at(-1));
}

async function upload(sprite: Pick<TestSprite, "url" | "home">, { node, map }: Writer): Promise<void> {
  const { peerId, close } = await connect(node, sprite);
  await node.syncManager.waitForSyncWithPeer(peerId, map.id, 5_000);
  close();
}

const recordIn = (digest: Digest | undefined, { node }: Writer, id: RawCoID) =>
  digest && hasRecord(digest.values, recordOf(id, node.expectCoValueLoaded(id).knownState()));

describe("a Sprite that falls asleep", () => {
  test("takes nothing that arrives once it has decided to: no acknowledgement, no trace on the disk or in the digest", async () => {
    const { node, group, map } = writer();
    map.set("n", 1, "trusting");
    const directory = temporaryDirectory();
    const mark = slowMark();
    const sprite = await startSprite(group.id, { directory, wrap: mark.wrap, sleepAfterMs: 300 });
    await upload(sprite, { node, group, map });
    const before = map.core.knownState();
    const edge = await listen(sprite);
    const frames: string[] = [];
    edge.socket.on("message", (data) => frames.push(data.toString()));
    await mark.asked;
    const heard = edge.of("known").length;
    map.set("n", 2, "trusting");
    const [late] = contentOf(node, map.id);
    edge.send(late);
    // A second socket is turned away meanwhile, in a way that makes the edge ask the coordinator.
    const second = await dial(sprite);
    second.on("error", () => undefined);
    const [, response] = (await once(second, "unexpected-response")) as [unknown, IncomingMessage];
    expect(response.statusCode).toBe(503);
    mark.go();
    expect((await edge.closed)[0]).toBe(CLOSE.asleep);
    expect(edge.of("known")).toHaveLength(heard);
    const digest = parseDigest(frames.at(-1));
    expect(hasRecord(digest?.values ?? "", recordOf(map.id, before))).toBe(true);
    await sprite.sprite.close();
    const again = await startSprite(group.id, { directory });
    expect((await loadFresh(again, map.id)).core.knownState()).toEqual(before);
  });

  test.each([
    ["of a value that it has", true],
    ["as who has nothing, so that all of it is sent again", false],
  ])("is not kept awake by a load that is repeated, %s", async (_, header) => {
    const one = writer();
    one.map.set("n", 1, "trusting");
    const sprite = await startSprite(one.group.id, { sleepAfterMs: 300 });
    await upload(sprite, one);
    const edge = await listen(sprite);
    let code: number | undefined;
    void edge.closed.then(([closeCode]) => {
      code = closeCode;
    });
    const sessions = header ? one.map.core.knownState().sessions : {};
    const load = { action: "load", id: one.map.id, header, sessions };
    await until(
      () => {
        if (edge.socket.readyState === edge.socket.OPEN) edge.send(load);
        return code;
      },
      { what: "falling asleep" },
    );
    expect(code).toBe(CLOSE.asleep);
    expect([...edge.of("known"), ...edge.of("content")].length).toBeGreaterThan(1);
  });

  test("says what it has of each value, and the next period carries on from there", async () => {
    const one = writer();
    one.map.set("n", 1, "trusting");
    const directory = temporaryDirectory();
    const first = await startSprite(one.group.id, { directory, sleepAfterMs: 300 });
    await upload(first, one);
    const digest = await lastWords(first);
    await first.sprite.close();
    for (const id of [one.map.id, one.group.id]) expect(recordIn(digest, one, id)).toBe(true);

    const other = one.group.createMap();
    other.set("n", 1, "trusting");
    const second = await startSprite(one.group.id, { directory, sleepAfterMs: 300 });
    await upload(second, { ...one, map: other });
    const next = await lastWords(second);
    await second.sprite.close();
    expect(next?.was).toBe(digest?.is);
    expect(next?.is).not.toBe(digest?.is);
    const values = digest && next && mergedValues(digest, next);
    for (const id of [one.map.id, other.id]) {
      expect(hasRecord(values ?? "", recordOf(id, one.node.expectCoValueLoaded(id).knownState()))).toBe(true);
    }
  });

  test("says it to the edge itself when its last upstream has left: its pass, its boot, what it has", async () => {
    const one = writer();
    one.map.set("n", 1, "trusting");
    const edge = await startHearer(204);
    const sprite = await startSprite(one.group.id, { sleepAfterMs: 300, syncUrl: edge.syncUrl });
    await upload(sprite, one);
    await sprite.asleep;
    expect(edge.heard).toHaveLength(1);
    const [{ url, pass, body } = { url: "", pass: "", body: "" }] = edge.heard;
    expect(url).toBe(`/last-word?boot=${sprite.sprite.boot}`);
    expect(await verifySpritePass(pass, PASS_KEYS)).toBe(one.group.id);
    expect(recordIn(parseDigest(body), one, one.map.id)).toBe(true);
  });

  test.each([
    ["refuses it", 503],
    ["does not answer", undefined],
  ])("sleeps all the same when the edge %s", async (_, status) => {
    const one = writer();
    one.map.set("n", 1, "trusting");
    const edge = await startHearer(status);
    const sprite = await startSprite(one.group.id, { sleepAfterMs: 300, syncUrl: edge.syncUrl });
    await upload(sprite, one);
    await sprite.asleep;
    expect(edge.heard).toHaveLength(1);
  });

  test("says nothing to an edge whose sessions have never met it", async () => {
    const edge = await startHearer(204);
    const sprite = await startSprite(writer().group.id, { sleepAfterMs: 300, syncUrl: edge.syncUrl });
    await sprite.asleep;
    expect(edge.heard).toEqual([]);
  });

  test("breaks the chain of digests when the store is not the one that it left: killed after a write, restored, replaced", async () => {
    const one = writer();
    const directory = temporaryDirectory();
    const first = await startSprite(one.group.id, { directory, sleepAfterMs: 300 });
    await upload(first, one);
    const digest = await lastWords(first);
    await first.sprite.close();
    // Another process writes and dies, as far as the coordinator can tell.
    const killed = await startSprite(one.group.id, { directory });
    one.map.set("n", 2, "trusting");
    await upload(killed, one);
    await killed.sprite.close();
    const second = await startSprite(one.group.id, { directory, sleepAfterMs: 300 });
    expect((await lastWords(second))?.was).not.toBe(digest?.is);
    await second.sprite.close();

    const elsewhere = await startSprite(one.group.id, { sleepAfterMs: 300 });
    await upload(elsewhere, one);
    const replaced = await lastWords(elsewhere);
    expect([digest?.is, (await markOf(directory)).now]).not.toContain(replaced?.was);
  });

  test("tells nothing of a value that was deleted", async () => {
    const one = writer();
    const sprite = await startSprite(one.group.id, { sleepAfterMs: 300 });
    await upload(sprite, one);
    one.map.core.deleteCoValue();
    await upload(sprite, one);
    const digest = await lastWords(sprite);
    expect(digest && mergedValues({ is: digest.was ?? "", values: "" }, digest)).not.toContain(
      one.map.id.slice(-11),
    );
    expect(recordIn(digest, one, one.group.id)).toBe(true);
  });
});

async function markOf(directory: string): Promise<{ now: string }> {
  const storage = await openStorage(join(directory, "store"));
  const now = await storage.mark();
  await storage.close();
  return { now };
}

test("A process that was stopped for longer than it takes to fall asleep listens before it decides anything", async () => {
  const one = writer();
  const { node, group, map } = one;
  map.set("n", 1, "trusting");
  const env = { SPRITE_SLEEP_AFTER: "1" };
  const sprite = await startProcess(group.id, temporaryDirectory(), env);
  await upload(sprite, one);
  const edge = await listen(sprite);
  const heard = edge.of("known").length;
  sprite.process.kill("SIGSTOP");
  // Its twin, started now, falls asleep meanwhile: so long the pause lasts.
  const twin = await startProcess(group.id, temporaryDirectory(), env);
  const witness = await listen(twin);
  expect((await witness.closed)[0]).toBe(CLOSE.asleep);
  map.set("n", 2, "trusting");
  for (const content of contentOf(node, map.id)) edge.send(content);
  sprite.process.kill("SIGCONT");
  await until(() => edge.of("known").length > heard, { what: "an acknowledgement of the same process" });
  expect((await edge.closed)[0]).toBe(CLOSE.asleep);
  expect(await sprite.exit).toBe(0);
});

test("It ends although nobody answers its goodbye, and does not read on", async () => {
  const one = writer();
  const { node, group, map } = one;
  map.set("n", 1, "trusting");
  const data = temporaryDirectory();
  const sprite = await startProcess(group.id, data, { SPRITE_SLEEP_AFTER: "1" });
  await upload(sprite, one);
  const edge = await listen(sprite);
  // From here on this side neither hears nor answers.
  edge.socket.pause();
  await until(() => sprite.lines.some((line) => line.includes("going to sleep")), { what: "the decision" });
  map.set("n", 2, "trusting");
  for (const content of contentOf(node, map.id)) edge.send(content);
  expect(await sprite.exit).toBe(0);
  edge.socket.resume();
  await edge.closed;
  expect(edge.of("known").some(({ id }) => id === map.id)).toBe(false);
});
