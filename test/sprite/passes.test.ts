import { once } from "node:events";
import { existsSync, mkdtempSync } from "node:fs";
import { rm } from "node:fs/promises";
import type { IncomingMessage } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type JWTPayload, SignJWT } from "jose";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import WebSocket from "ws";
import type { GroupId } from "../../shared/ids.ts";
import { LIMITS } from "../../shared/limits.ts";
import { PASS_HEADER, parsePassKeys, signPass } from "../../shared/pass.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { SPRITE_BUNDLE } from "../support/sprite-bundle.ts";
import { until } from "../support/until.ts";
import { SpriteProcess } from "./crash/sprite-process.ts";
import { asGroupId, newAccount, newGroup, temporaryDirectory } from "./support.ts";

const OLD = "the-key-that-is-going-to-be-retired-".padEnd(40, "o");
const NEW = "the-key-that-takes-over-from-now-on-".padEnd(40, "n");

const bytes = (key: string) => new TextEncoder().encode(key);
const now = () => Math.floor(Date.now() / 1_000);
const base64url = (value: object) => Buffer.from(JSON.stringify(value)).toString("base64url");

/** A real Sprite as the image runs it. */
async function startSprite(home: GroupId, directory: string, passKeys: string, sleepAfter = 0) {
  const data = join(directory, "store");
  const sprite = new SpriteProcess({
    bundle: SPRITE_BUNDLE,
    home,
    data,
    durability: "flush",
    passKeys,
    sleepAfter,
  });
  const origin = `http://127.0.0.1:${await sprite.port}`;
  await until(async () => (await fetch(`${origin}/healthz`)).ok, { what: "the Sprite to be healthy" });
  return { sprite, origin, data };
}

/** What an upgrade is answered: the status of a refusal and its text, or the first message of a socket. */
async function knock(origin: string, headers: Record<string, string> = {}, path = "/sync") {
  const socket = new WebSocket(`${origin.replace("http", "ws")}${path}`, { headers });
  const refused = once(socket, "unexpected-response").then(async ([, response]) => {
    const { statusCode: status } = response as IncomingMessage;
    return { status, text: (await (response as IncomingMessage).toArray()).join("") };
  });
  const greeted = once(socket, "message").then(([data]) => ({ status: 101, text: String(data) }));
  const answer = await Promise.race([refused, greeted]);
  socket.terminate();
  return answer;
}

/** The claims of a good pass, to be spoilt. */
function claims(home: GroupId): JWTPayload {
  return {
    home,
    aud: spriteNameOf(home),
    sub: "session",
    after: 0,
    iat: now(),
    exp: now() + LIMITS.passTtlSeconds,
  };
}

const signed = (payload: JWTPayload, key = OLD, alg = "HS256") =>
  new SignJWT(payload).setProtectedHeader({ alg }).sign(bytes(key));

describe("a Sprite on a public address", () => {
  const home = asGroupId(newGroup(newAccount()).id);
  const other = asGroupId(newGroup(newAccount()).id);
  let running: Awaited<ReturnType<typeof startSprite>>;

  const directory = mkdtempSync(join(tmpdir(), "sprite-passes-"));

  beforeAll(async () => {
    running = await startSprite(home, directory, OLD);
  });
  afterAll(async () => {
    await running.sprite.kill();
    await rm(directory, { recursive: true, force: true });
  });

  const without = (name: string) => signed({ ...claims(home), [name]: undefined });
  const expired = (ago: number) =>
    signed({ ...claims(home), iat: now() - ago - LIMITS.passTtlSeconds, exp: now() - ago });

  test.each<[string, number, () => Promise<string> | string | undefined]>([
    ["no pass at all", 401, () => undefined],
    ["an empty pass", 401, () => ""],
    ["nonsense", 401, () => "nonsense"],
    [
      "a pass signed with another key",
      401,
      () => signPass({ home, session: "s", after: 0 }, parsePassKeys(NEW)),
    ],
    ["a pass that has expired", 401, () => expired(LIMITS.passClockToleranceSeconds + 5)],
    ["a pass that expired long ago", 401, () => expired(86_400)],
    [
      "a pass for another group, which is signed well",
      421,
      () => signPass({ home: other, session: "s", after: 0 }, parsePassKeys(OLD)),
    ],
    [
      "a forged pass for another group",
      401,
      () => signPass({ home: other, session: "s", after: 0 }, parsePassKeys(NEW)),
    ],
    ["a pass for this Sprite that names another group", 401, () => signed({ ...claims(home), home: other })],
    ["an audience that is no Sprite", 401, () => signed({ ...claims(home), aud: "everybody" })],
    [
      "a pass that is not signed, alg none",
      401,
      () => `${base64url({ alg: "none", typ: "JWT" })}.${base64url(claims(home))}.`,
    ],
    ["the right key with another algorithm", 401, () => signed(claims(home), OLD.repeat(2), "HS512")],
    [
      "a signature that was moved from another pass",
      401,
      async () => {
        const [head, , signature] = (await signed(claims(home))).split(".");
        return [head, base64url({ ...claims(home), sub: "admin" }), signature].join(".");
      },
    ],
    ["a pass without an end", 401, () => without("exp")],
    ["a pass without a beginning", 401, () => without("iat")],
    ["a pass without a session", 401, () => without("sub")],
    ["a pass without a group", 401, () => without("home")],
    ["a pass without a Sprite", 401, () => without("aud")],
    ["a pass that lives for a year", 401, () => signed({ ...claims(home), exp: now() + 31_536_000 })],
  ])("refuses %s", async (_, status, make) => {
    const pass = await make();
    const answer = await knock(running.origin, pass === undefined ? {} : { [PASS_HEADER]: pass });
    expect(answer.status).toBe(status);
    expect(answer.text).toMatch(status === 421 ? /^wrong-sprite: / : /^bad-pass: /);
    for (const secret of [home, other, OLD, NEW, ...(pass ? [pass] : [])]) {
      expect(answer.text).not.toContain(secret);
    }
  });

  test("looks for a pass in its header only", async () => {
    const pass = await signed(claims(home));
    for (const [path, headers] of [
      [`/sync?pass=${pass}&${PASS_HEADER}=${pass}`, {}],
      ["/sync", { authorization: `Bearer ${pass}` }],
      ["/sync", { cookie: `${PASS_HEADER}=${pass}` }],
      ["/sync", { "sec-websocket-protocol": "pass" }],
    ] as const) {
      expect(await knock(running.origin, headers, path)).toMatchObject({ status: 401 });
    }
  });

  test("tells visitors without a socket nothing but its health, and that without its group", async () => {
    const visit = async (path: string, init?: RequestInit) => {
      const response = await fetch(`${running.origin}${path}`, init);
      const headers: string[] = [];
      response.headers.forEach((value, name) => void headers.push(`${name}: ${value}`));
      return { status: response.status, text: await response.text(), headers: headers.join("\n") };
    };
    const health = await visit("/healthz");
    expect([health.status, JSON.parse(health.text)]).toEqual([200, { status: "open", storage: "ok" }]);
    const pass = { [PASS_HEADER]: await signed(claims(home)) };
    for (const visitor of [
      visit("/"),
      visit("/sync"),
      visit("/sync", { headers: pass }),
      visit("/sync", { method: "POST", body: "{}", headers: pass }),
      visit("/healthz/../sync"),
      visit(`/${home}`),
      visit("/.env"),
    ]) {
      const { status, text } = await visitor;
      expect([status, text]).toEqual([
        404,
        expect.stringMatching(/^not here; WebSockets are opened at \/sync/),
      ]);
    }
    for (const path of ["/healthz", "/health", "/.env", `/${home}`]) {
      expect(await knock(running.origin, pass, path)).toMatchObject({ status: 404 });
    }
    for (const said of [health.text, health.headers]) {
      expect(said).not.toContain(home);
      expect(said).not.toContain(spriteNameOf(home));
    }
  });

  test("has touched no state for all of them: its period has not begun, and its log tells of no upstream", async () => {
    expect(existsSync(`${running.data}.awake-periods`)).toBe(false);
    expect(running.sprite.lastWords).not.toContain("upstream opened");
    // The first good pass begins it: number 1.
    const { status, text } = await knock(running.origin, { [PASS_HEADER]: await signed(claims(home)) });
    expect([status, JSON.parse(text.split("\n")[0] ?? "")]).toMatchObject([101, { home, period: 1 }]);
    expect(existsSync(`${running.data}.awake-periods`)).toBe(true);
  });

  test("takes a pass that has just expired: its clock may run ahead of the edge's", async () => {
    const pass = await expired(LIMITS.passClockToleranceSeconds - 10);
    expect(await knock(running.origin, { [PASS_HEADER]: pass })).toMatchObject({ status: 101 });
  });
});

test("Keys are rotated without a gap: while there are two, passes of both are taken; then the old one is refused", async () => {
  const home = asGroupId(newGroup(newAccount()).id);
  const directory = temporaryDirectory();
  const by = async (keys: string) => ({
    [PASS_HEADER]: await signPass({ home, session: "s", after: 0 }, parsePassKeys(keys)),
  });
  const statuses = async (spriteKeys: string, edges: readonly string[]) => {
    const { sprite, origin } = await startSprite(home, directory, spriteKeys);
    onTestFinished(() => sprite.kill());
    const answers: (number | undefined)[] = [];
    for (const keys of edges) answers.push((await knock(origin, await by(keys))).status);
    await sprite.kill();
    return answers;
  };
  // The steps of docs/deploy.md: Sprites first, then the edge, then the old key goes.
  expect(await statuses(`${OLD},${NEW}`, [OLD, `${NEW},${OLD}`, NEW])).toEqual([101, 101, 101]);
  expect(await statuses(NEW, [OLD, `${OLD},${NEW}`, `${NEW},${OLD}`])).toEqual([401, 401, 101]);
}, 60_000);

test("Visitors without a pass do not keep a Sprite awake", async () => {
  const home = asGroupId(newGroup(newAccount()).id);
  const { sprite, origin } = await startSprite(home, temporaryDirectory(), OLD, 1);
  onTestFinished(() => sprite.kill());
  let refused = 0;
  const knocking = setInterval(() => {
    void knock(origin, { [PASS_HEADER]: "nonsense" }).then(
      () => refused++,
      () => undefined,
    );
    void fetch(`${origin}/healthz`).catch(() => undefined);
  }, 50);
  expect(await sprite.exit).toMatchObject({ code: 0 });
  clearInterval(knocking);
  expect(refused).toBeGreaterThan(0);
});
