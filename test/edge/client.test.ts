import { SignJWT } from "jose";
import { describe, expect, test } from "vitest";
import { clientOf, networkOf } from "../../edge/client.ts";
import { type ClientAuth, parseClientAuth } from "../../edge/client-auth.ts";
import { mayOnceMore } from "../../edge/client-limits.ts";
import { asHome, idFromHash } from "../../shared/ids.ts";
import { PASS_HEADER, parsePassKeys, signPass, signSpritePass } from "../../shared/pass.ts";

const PASS_KEYS = parsePassKeys("p".repeat(40));
const SECRET = "s".repeat(40);
const home = asHome(idFromHash(new Uint8Array(19).fill(1)));
const ADDRESS = { "CF-Connecting-IP": "192.0.2.7" };
const SILENT = { debug() {}, info() {}, warn() {}, error() {} };

const ask = (clientAuth: ClientAuth, query = "", headers: Record<string, string> = ADDRESS) =>
  clientOf(
    { url: `https://edge.example/sync${query}`, headers: new Headers(headers) },
    { PASS_KEYS, clientAuth },
  );

const token = (claims: Record<string, unknown>, secret = SECRET, alg = "HS256") =>
  new SignJWT(claims).setProtectedHeader({ alg }).sign(new TextEncoder().encode(secret));

const inAnHour = () => Math.floor(Date.now() / 1_000) + 3_600;

describe("an open edge", () => {
  const open = parseClientAuth("open", undefined);

  test("lets everybody in, whatever key they send, and counts them by their network", async () => {
    for (const query of ["", "?key=you@example.com"]) {
      expect(await ask(open, query)).toEqual({ kind: "visitor", countedBy: "192.0.2.7" });
    }
  });

  test("is not opened by mistake: keys that nobody would be asked for are an error", () => {
    expect(() => parseClientAuth("open", SECRET)).toThrow(/CLIENT_KEYS.*CLIENT_AUTH/);
  });
});

describe("an edge that asks for a key", () => {
  const auth = parseClientAuth("key", `${SECRET}, another-key-of-some-length`);

  test("lets in who sends one of its keys where Jazz clients send theirs, and counts by it under another name", async () => {
    const names = new Set<string | undefined>();
    for (const key of [SECRET, "another-key-of-some-length"]) {
      const client = await ask(auth, `?key=${key}`);
      expect(client).toMatchObject({ kind: "visitor", countedBy: "192.0.2.7" });
      expect(JSON.stringify(client)).not.toContain(key);
      names.add("key" in client ? client.key : undefined);
    }
    expect(names.size).toBe(2);
    expect(names).not.toContain(undefined);
  });

  test.each(["", "?key=", `?key=${SECRET}x`, `?key=${SECRET.slice(1)}`, `?token=${SECRET}`, "?key=,"])(
    "refuses %s",
    async (query) => {
      await expect(ask(auth, query)).rejects.toMatchObject({ code: "client-refused" });
    },
  );

  test("never says a key", async () => {
    const error = await ask(auth, "?key=a-key-that-is-wrong").catch((refusal: Error) => refusal);
    expect(String(error)).not.toContain("a-key-that-is-wrong");
  });

  test.each([undefined, "", " , ", "short"])("does not start with %s for its keys", (keys) => {
    expect(() => parseClientAuth("key", keys)).toThrow(/CLIENT_KEYS/);
  });
});

describe("an edge that asks for a token", () => {
  const next = "n".repeat(40);
  const auth = parseClientAuth("token", `${SECRET},${next}`);

  test("lets in who sends one that either of its secrets signed, and counts by its subject", async () => {
    for (const secret of [SECRET, next]) {
      const good = await token({ sub: "user-1", exp: inAnHour() }, secret);
      expect(await ask(auth, `?key=${good}`)).toEqual({ kind: "visitor", countedBy: "token:user-1" });
    }
  });

  test.each<[string, () => Promise<string> | string]>([
    ["no token", () => ""],
    ["the secret itself", () => SECRET],
    ["one that has expired", () => token({ sub: "user-1", exp: inAnHour() - 7_200 })],
    ["one that never expires", () => token({ sub: "user-1" })],
    ["one without a subject", () => token({ exp: inAnHour() })],
    ["one of another secret", () => token({ sub: "user-1", exp: inAnHour() }, "x".repeat(40))],
    ["another algorithm", () => token({ sub: "user-1", exp: inAnHour() }, SECRET.repeat(2), "HS512")],
  ])("refuses %s", async (_, make) => {
    await expect(ask(auth, `?key=${await make()}`)).rejects.toMatchObject({ code: "client-refused" });
  });

  test("needs secrets of 32 characters", () => {
    expect(() => parseClientAuth("token", "s".repeat(31))).toThrow(/32/);
  });
});

describe("a Sprite that connects to the edge", () => {
  const auth = parseClientAuth("key", SECRET);

  test("is let in by its own pass, without a key", async () => {
    const pass = await signSpritePass(home, PASS_KEYS);
    expect(await ask(auth, "", { ...ADDRESS, [PASS_HEADER]: pass })).toEqual({ kind: "sprite" });
  });

  test("is nobody with a forged pass, or with one that was made for a Sprite", async () => {
    for (const pass of [
      "nonsense",
      await signSpritePass(home, parsePassKeys("f".repeat(40))),
      await signPass({ home, session: "s" }, PASS_KEYS),
    ]) {
      await expect(ask(auth, "", { [PASS_HEADER]: pass })).rejects.toMatchObject({ code: "bad-pass" });
    }
  });
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["2001:db8:0:7:1:2:3:4", "2001:db8:0:7::/64"],
  ["2001:0DB8:0000:0007::1", "2001:db8:0:7::/64"],
  ["2001:db8::1", "2001:db8:0:0::/64"],
  ["::1", "0:0:0:0::/64"],
  ["::ffff:192.0.2.7", "0:0:0:0::/64"],
  [undefined, "nowhere"],
])("The network of %s is counted as %s", (address, network) => {
  expect(networkOf({ headers: new Headers(address ? { "CF-Connecting-IP": address } : {}) })).toBe(network);
});

test("A counter that fails stops nobody; Sprites are not counted", async () => {
  const visitor = { kind: "visitor", countedBy: "192.0.2.7" } as const;
  const failing = { limit: () => Promise.reject(new Error("down")) };
  const full = { limit: async () => ({ success: false }) };
  expect(await mayOnceMore(failing, visitor, SILENT)).toBe(true);
  expect(await mayOnceMore(undefined, visitor, SILENT)).toBe(true);
  expect(await mayOnceMore(full, visitor, SILENT)).toBe(false);
  expect(await mayOnceMore(full, { kind: "sprite" }, SILENT)).toBe(true);
});
