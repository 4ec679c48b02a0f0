import { describe, expect, it } from "vitest";
import { spritesError } from "../../edge/fleet/sprites-errors.ts";
import { spritesAuthorization } from "../../edge/fleet/sprites-http.ts";
import { SPRITES_LIMITS } from "../../edge/fleet/sprites-limits.ts";
import { createRoomMaker } from "../../edge/fleet/sprites-room.ts";
import { trustAddress } from "../../edge/fleet/sprites-url.ts";
import { LIMITS } from "../../shared/limits.ts";
import { PASS_HEADER } from "../../shared/pass.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { newHome } from "./local-fly.ts";
import { spritesWorld } from "./sprites-world.ts";

const errorOf = (status: number, body?: unknown, headers: Record<string, string> = {}) =>
  spritesError("wake g-x", { status, body, headers: new Headers(headers) }, 1_000_000);

describe("who may do what, and how often (facts/fly-sprites §1, §4, §7)", { timeout: 30_000 }, () => {
  const t = spritesWorld();

  describe("refusals are told apart", () => {
    it.each([
      [302, undefined, "auth"],
      [401, { error: "sprites not enabled" }, "auth"],
      [402, {}, "quota"],
      [404, { error: "sprite not found" }, "gone"],
      [409, "text", "transient"],
      [422, { error: "no" }, "config-invalid"],
      [429, { error: "sprite_creation_rate_limited" }, "rate"],
      [429, { error: "concurrent_sprite_limit_exceeded" }, "capacity"],
      [429, undefined, "rate"],
      [500, undefined, "transient"],
      [503, null, "transient"],
    ])("%i %j is `%s`", (status, body, code) => {
      expect(errorOf(status, body).code).toBe(code);
    });

    it("when to come back: the body knows best, then Retry-After, then the limit's reset", () => {
      const reset = { "x-ratelimit-reset": "1007" };
      const header = { "retry-after": "5", ...reset };
      expect(errorOf(429, { retry_after_seconds: 21 }, header).retryAfterMs).toBe(21_000);
      expect(errorOf(429, { retry_after_seconds: 0 }, header).retryAfterMs).toBe(5_000);
      expect(errorOf(429, {}, reset).retryAfterMs).toBe(7_000);
      expect(errorOf(429, {}).retryAfterMs).toBe(SPRITES_LIMITS.ratePauseMs);
    });

    it("the creation cap is `rate`, with the platform's own time; other homes of this client need not ask", async () => {
      t.host.plan.creationsPerMinute = 0;
      await expect(t.fleet.ensure(t.spec)).rejects.toMatchObject({
        code: "rate",
        retryAfterMs: expect.closeTo(60_000, -4),
      });
      const asked = t.sprites.calls("createSprite").length;
      await expect(t.fleet.ensure({ home: newHome(), regions: [] })).rejects.toMatchObject({ code: "rate" });
      expect(t.sprites.calls("createSprite")).toHaveLength(asked);
    });

    it("the running cap is `capacity`, also when it is met by a wake, and does not hide an existing Sprite", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      await t.local().pause("cold");
      t.host.plan.running = 0;
      await expect(t.fleet.wake(sprite)).rejects.toMatchObject({
        code: "capacity",
        retryAfterMs: SPRITES_LIMITS.slotPauseMs,
      });
      expect((await t.fleet.find(t.home))?.id).toBe(sprite.id);
      t.host.plan.running = 100;
      expect((await t.fleet.wake(sprite)).state).toBe("running");
    });
  });

  describe("who gets in", () => {
    it("302 to a page for logging in is an auth failure, and nobody follows it", async () => {
      const sprite = await t.fleet.ensure(t.spec);
      t.fault("visit", {
        kind: "answer",
        answer: { status: 302, headers: { location: `${t.host.apiUrl}/v1/sprites` } },
      });
      const before = t.sprites.calls("listSprites").length;
      await expect(t.fleet.wake(sprite)).rejects.toMatchObject({ code: "auth" });
      expect(t.sprites.calls("listSprites")).toHaveLength(before);
    });

    it("a wrong token is `auth`, at the API and at an address", async () => {
      const sprite = await t.fleet.ensure(t.spec);
      const stranger = t.client({ token: "local/wrong" });
      await expect(stranger.find(t.home)).rejects.toMatchObject({ code: "auth" });
      const { url } = t.fleet.address(sprite);
      const reply = await fetch(url, { headers: stranger.credentials({ url }), redirect: "manual" });
      expect([reply.status, reply.headers.get("location")]).toEqual([
        302,
        expect.stringContaining("sprites.dev/auth"),
      ]);
    });

    it("Authorization is stripped on the way: our pass has a header of its own, and that arrives", async () => {
      await t.fleet.wake(await t.fleet.ensure(t.spec));
      const reply = await t.visit("/", { headers: { [PASS_HEADER]: "a-pass" } });
      const { headers } = (await reply.json()) as { headers: Record<string, string> };
      expect(headers[PASS_HEADER]).toBe("a-pass");
      expect(headers).not.toHaveProperty("authorization");
    });

    it.each(["FlyV1 fm2_abc,fm2_def", "fm1r_abc", "Bearer fm2_x"])(
      "a token of Fly.io (%s) is named as such",
      (token) => {
        expect(() => spritesAuthorization(token)).toThrow(/sprites.dev\/account/);
      },
    );

    it.each([
      "http://g-x.sprites.app",
      "https://g-x.sprites.app:8443",
      "https://g-x.sprites.app.evil.example",
      "https://evil.example/g-x.sprites.app",
      "https://token@g-x.sprites.app",
      "nonsense",
    ])("the token is not sent to %s", (url) => {
      expect(() => trustAddress("https://g-x-bskrl.sprites.app", "https://api.sprites.dev")).not.toThrow();
      expect(() => trustAddress(url, "https://api.sprites.dev")).toThrow(/must not go/);
    });
  });

  describe("making room at the running cap", () => {
    const sleeper = async (idleMs: number) => {
      const home = newHome();
      const sprite = await t.fleet.wake(await t.fleet.ensure({ home, regions: [] }));
      const { url } = t.fleet.address(sprite);
      const get = (path: string) => fetch(url + path, { headers: t.fleet.credentials({ url }) });
      await get(`/idle?ms=${idleMs}`);
      // What keeps it running.
      const open = await get("/never");
      return {
        home,
        name: sprite.name,
        leave: () => open.body?.cancel(),
        isAsleep: async () => ((await (await get("/sleep")).json()) as { asleep: boolean }).asleep,
      };
    };

    it("the Sprite that has been idle for longest is asked to sleep, and no other; nobody who waits, and nobody twice", async () => {
      const some = [await sleeper(5_000), await sleeper(60_000), await sleeper(0), await sleeper(90_000)];
      const [, longest, , wanted] = some;
      const client = t.client();
      const report = await client.makeRoom?.(new Set([wanted?.home ?? newHome()]));
      expect(report).toMatchObject({ asleep: longest?.name, limit: 100 });
      expect(await Promise.all(some.map((one) => one.isAsleep()))).toEqual([false, true, false, false]);
      // Each question puts the platform's pause off: the next comes when that time is over.
      expect((await client.makeRoom?.(new Set([wanted?.home ?? newHome()])))?.asleep).toBeUndefined();
      for (const one of some) await one.leave();
    });

    it("one that does not answer, or says no, is passed over; counts are read at both places", async () => {
      const homes = [newHome(), newHome(), newHome()];
      const names = homes.map((home) => spriteNameOf(home));
      let now = 0;
      const asked: string[] = [];
      const makeRoom = createRoomMaker({
        now: () => now,
        api: {
          async *pages() {
            yield {
              sprites: [
                ...names.map((name) => ({ name, status: "running" })),
                { name: "not-ours", status: "running" },
              ],
              count: { running: 4, limit: 4 },
            };
          },
        },
        idleMsOf: async ({ name }) => {
          asked.push(name);
          if (name === names[0]) throw new Error("no answer");
          return name === names[1] ? 9_000 : 8_000;
        },
        askToSleep: async ({ name }) => name !== names[1],
      });
      expect(await makeRoom(new Set())).toEqual({ running: 4, limit: 4, asleep: names[2] });
      now = SPRITES_LIMITS.askAgainMs - 1;
      expect((await makeRoom(new Set())).asleep).toBeUndefined();
      expect(asked).toHaveLength(3);
      now = SPRITES_LIMITS.askAgainMs;
      await makeRoom(new Set());
      expect(asked).toHaveLength(6);
    });
  });

  it("times fit into each other", () => {
    const { wakeMs, probeMs, restartAfterMs, callMs, goneLooks, gonePauseMs, askAgainMs, slotPauseMs } =
      SPRITES_LIMITS;
    expect(wakeMs + 2 * probeMs).toBeLessThanOrEqual(LIMITS.locateTimeoutMs);
    expect(restartAfterMs + callMs).toBeLessThan(wakeMs);
    expect(goneLooks * gonePauseMs).toBeLessThan(callMs);
    // The platform's pause comes 30 to 80 s after the last visit.
    expect(askAgainMs).toBeGreaterThan(80_000);
    expect(slotPauseMs).toBeLessThan(LIMITS.clientLoadTimeoutMs);
  });
});
