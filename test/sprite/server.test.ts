import { once } from "node:events";
import { readdirSync } from "node:fs";
import type { IncomingMessage } from "node:http";
import { join } from "node:path";
import { expect, test } from "vitest";
import WebSocket from "ws";
import { SpriteSyncError } from "../../shared/errors.ts";
import { idFromHash } from "../../shared/ids.ts";
import type { Log, LogFields } from "../../shared/log.ts";
import { PASS_HEADER, parsePassKeys, signPass } from "../../shared/pass.ts";
import { PeriodCount } from "../../sprite/period-count.ts";
import { openStorage } from "../../sprite/storage/index.ts";
import { until } from "../support/until.ts";
import {
  asGroupId,
  listen,
  newAccount,
  newGroup,
  PASS_KEYS,
  SILENT,
  startSprite,
  type TestSprite,
  temporaryDirectory,
} from "./support.ts";

/** Status and body of an upgrade that is refused. */
async function refusal(url: string, headers: Record<string, string>): Promise<[number | undefined, string]> {
  const socket = new WebSocket(url, { headers });
  const [, response] = (await once(socket, "unexpected-response")) as [unknown, IncomingMessage];
  const body = (await response.toArray()).join("");
  return [response.statusCode, body];
}

const healthOf = (sprite: TestSprite) =>
  fetch(sprite.url.replace("ws:", "http:").replace("/sync", "/healthz"));

async function sprites() {
  const alice = newAccount();
  const group = newGroup(alice);
  return { group, alice, sprite: await startSprite(group.id) };
}

test("Its health says nothing about who lives here", async () => {
  const { group, sprite } = await sprites();
  const edge = await listen(sprite);
  const response = await healthOf(sprite);
  const body = await response.text();
  expect(response.status).toBe(200);
  expect(JSON.parse(body)).toEqual({ status: "open", storage: "ok" });
  expect(body).not.toContain(group.id);
  edge.socket.close();
});

test("Without a pass, or with one that does not verify, nobody gets in", async () => {
  const { group, sprite } = await sprites();
  const otherKeys = parsePassKeys("another-secret-of-at-least-32-characters");
  const forged = await signPass({ home: asGroupId(group.id), session: "s" }, otherKeys);
  for (const headers of [{}, { [PASS_HEADER]: "nonsense" }, { [PASS_HEADER]: forged }]) {
    const [status, body] = await refusal(sprite.url, headers);
    expect(status).toBe(401);
    expect(body).toMatch(/^bad-pass: /);
    expect(body).not.toContain(forged);
  }
});

test("A good pass for another Sprite is told so, so that the edge looks the address up again", async () => {
  const { alice, sprite } = await sprites();
  const pass = await signPass({ home: asGroupId(alice.id), session: "s", after: 0 }, PASS_KEYS);
  expect((await refusal(sprite.url, { [PASS_HEADER]: pass }))[0]).toBe(421);
});

test("A socket anywhere but at its addresses is told where they are, and logged without its query", async () => {
  const alice = newAccount();
  const warnings: [LogFields, string][] = [];
  const log: Log = { ...SILENT, warn: (fields, message) => warnings.push([fields, message]) };
  const sprite = await startSprite(newGroup(alice).id, { log });
  for (const path of ["/other", "/sync/list", "/syncs", "/health"]) {
    const [status, body] = await refusal(sprite.url.replace("/sync", `${path}?key=secret`), {});
    expect([path, status, body]).toEqual([path, 404, expect.stringContaining("connect to /sync")]);
  }
  expect(warnings.map(([{ path }]) => path)).toEqual(["/other", "/sync/list", "/syncs", "/health"]);
  expect(JSON.stringify(warnings)).not.toContain("secret");
  // Here it is the pass that is missing.
  for (const path of ["/", "/?key=a", "/sync/", `/sync/${sprite.home}`])
    expect([path, (await refusal(sprite.url.replace("/sync", path), {}))[0]]).toEqual([path, 401]);
  expect((await fetch(sprite.url.replace("ws:", "http:"))).status).toBe(404);
});

test("Its health is told at /health and, as before, at /healthz", async () => {
  const { sprite } = await sprites();
  const at = async (path: string) =>
    (await fetch(sprite.url.replace("ws:", "http:").replace("/sync", path))).json();
  await listen(sprite);
  expect(await at("/health")).toEqual({ status: "open", storage: "ok" });
  expect(await at("/healthz")).toEqual(await at("/health"));
});

test("A Sprite whose storage does not open refuses everybody, says so, and can be stopped", async () => {
  const group = newGroup(newAccount());
  const sprite = await startSprite(group.id, {
    openStorage: () => Promise.reject(new SpriteSyncError("storage-failed", "the disk is gone")),
  });
  const pass = await signPass({ home: sprite.home, session: "s", after: 0 }, PASS_KEYS);
  const [status, body] = await refusal(sprite.url, { [PASS_HEADER]: pass });
  expect(status).toBe(503);
  expect(body).toMatch(/^storage-failed: /);
  const response = await healthOf(sprite);
  expect(response.status).toBe(503);
  expect(await response.json()).toEqual({ status: "storage-failed", storage: "failed" });
  await sprite.sprite.close();
});

test("Stopped, it first finishes what it writes beside its store, even if the storage did not open", async () => {
  const group = newGroup(newAccount());
  const directory = temporaryDirectory();
  let write = () => {};
  const writes = new Promise<void>((resolve) => {
    write = resolve;
  });
  class SlowCount extends PeriodCount {
    override async begin(after: number | undefined): Promise<number> {
      await writes;
      return super.begin(after);
    }
  }
  const periods = new SlowCount(join(directory, "awake-periods"));
  const sprite = await startSprite(group.id, {
    role: { kind: "home", home: asGroupId(group.id), passKeys: PASS_KEYS, periods },
    openStorage: () => Promise.reject(new SpriteSyncError("storage-failed", "the disk is gone")),
  });
  const pass = await signPass({ home: sprite.home, session: "s", after: 0 }, PASS_KEYS);
  expect((await refusal(sprite.url, { [PASS_HEADER]: pass }))[0]).toBe(503);
  const stopping = sprite.sprite.close();
  write();
  await stopping;
  expect(readdirSync(directory)).toEqual(["awake-periods"]);
});

test("Upgrades wait for a storage that takes its time to open", async () => {
  const group = newGroup(newAccount());
  let open = () => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  const directory = temporaryDirectory();
  const sprite = await startSprite(group.id, {
    openStorage: () => opened.then(() => openStorage(directory)),
  });
  const listening = listen(sprite);
  expect(await (await healthOf(sprite)).json()).toEqual({ status: "opening", storage: "opening" });
  open();
  const edge = await listening;
  await until(() => edge.of("hello").length === 1);
});

test.each([
  ["text that is no JSON", "nonsense"],
  ["a JSON primitive", "42"],
  ["null", "null"],
  ["an array", "[]"],
  ["an empty frame", ""],
  ["an unknown action", { action: "steal", id: "co_zfimDznFcSY4rbcKEP1Y5yEQ3MC" }],
  ["a missing id", { action: "load", header: false, sessions: {} }],
  ["a wrong id", { action: "done", id: "co_z!" }],
  ["wrong field types", { action: "load", id: "co_zfimDznFcSY4rbcKEP1Y5yEQ3MC", header: "no", sessions: {} }],
  [
    "a transaction without its changes",
    {
      action: "content",
      id: "co_zfimDznFcSY4rbcKEP1Y5yEQ3MC",
      priority: 0,
      new: {
        co_zfimDznFcSY4rbcKEP1Y5yEQ3MC_session_zA: {
          after: 0,
          newTransactions: [{ privacy: "trusting", madeAt: 1 }],
          lastSignature: "signature_zA",
        },
      },
    },
  ],
])("%s is answered with an error; later messages and other sockets are fine", async (_, bad) => {
  const { group, sprite } = await sprites();
  const [edge, other] = [await listen(sprite), await listen(sprite)];
  edge.send(bad);
  await until(() => edge.of("error").length === 1, { what: "the error" });
  expect(edge.of("error")[0]).toMatchObject({ code: "bad-message" });
  for (const socket of [edge, other]) {
    socket.send({ action: "load", id: group.id, header: false, sessions: {} });
    await until(() => socket.of("known").length === 1, { what: "the answer to a good message" });
  }
});

test("A binary frame ends its own socket, with a reason, and no other", async () => {
  const { group, sprite } = await sprites();
  const [edge, other] = [await listen(sprite), await listen(sprite)];
  edge.socket.send(Buffer.from("{}"));
  expect(await edge.closed).toEqual([4400, expect.stringContaining("binary")]);
  other.send({ action: "load", id: group.id, header: false, sessions: {} });
  await until(() => other.of("known").length === 1, { what: "the answer on the other socket" });
});

test("A frame over the limit ends its own socket with 1009, and no other", async () => {
  const { group, sprite } = await sprites();
  const [edge, other] = [await listen(sprite), await listen(sprite)];
  edge.send("x".repeat(33 * 1024 * 1024));
  expect((await edge.closed)[0]).toBe(1009);
  other.send({ action: "load", id: group.id, header: false, sessions: {} });
  await until(() => other.of("known").length === 1, { what: "the answer on the other socket" });
});

test("An idle Sprite closes its sockets with the code for sleep and its boot id, then refuses", async () => {
  const group = newGroup(newAccount());
  const sprite = await startSprite(group.id, { sleepAfterMs: 200 });
  const edge = await listen(sprite);
  expect(await edge.closed).toEqual([4900, sprite.sprite.boot]);
  await sprite.asleep;
  const pass = await signPass({ home: sprite.home, session: "s", after: 0 }, PASS_KEYS);
  const [status, body] = await refusal(sprite.url, { [PASS_HEADER]: pass });
  expect(status).toBe(503);
  expect(body).toMatch(/^asleep: /);
});

test("Sockets without a pass do not keep a Sprite awake, messages do", async () => {
  const group = newGroup(newAccount());
  const sprite = await startSprite(group.id, { sleepAfterMs: 400 });
  const edge = await listen(sprite);
  const begun = performance.now();
  let last = begun;
  let asked = 0;
  const talk = setInterval(() => {
    last = performance.now();
    // A load that is repeated is no activity.
    const id = idFromHash(new Uint8Array(19).fill(++asked));
    edge.send({ action: "load", id, header: false, sessions: {} });
  }, 50);
  await until(() => edge.of("known").length >= 20, { what: "twenty answers" });
  expect(performance.now() - begun).toBeGreaterThan(800);
  clearInterval(talk);
  const knock = setInterval(() => void refusal(sprite.url, {}).catch(() => {}), 50);
  await sprite.asleep;
  clearInterval(knock);
  expect(performance.now() - last).toBeGreaterThanOrEqual(400);
});

test("Told to stop, it closes its sockets with the code for a restart", async () => {
  const { sprite } = await sprites();
  const edge = await listen(sprite);
  await sprite.sprite.close();
  expect(await edge.closed).toEqual([1012, sprite.sprite.boot]);
});
