import { describe, expect, it } from "vitest";
import { SPRITES_LIMITS } from "../../edge/fleet/sprites-limits.ts";
import { spritesWorld } from "./sprites-world.ts";

/** What bites in the Sprites API, in the words of facts/fly-sprites: answers that are not true, and none at all. */
describe("the Sprites fleet survives", { timeout: 30_000 }, () => {
  const t = spritesWorld();
  const page = "<html><body>Bad gateway</body></html>";

  describe("answers that are not true", () => {
    it.each([500, 502])("create answers %i although it was made", async (status) => {
      t.fault("createSprite", { kind: "do-but-answer", answer: { status, body: page } }, 1);
      const sprite = await t.fleet.ensure(t.spec);
      expect(sprite.id).toBe(t.local().state.id);
      expect(t.sprites.calls("createSprite").at(-1)?.body).toMatchObject({ name: t.name });
    });

    it("create never answers although it was made", async () => {
      t.fault("createSprite", { kind: "do-but-hang" }, 1);
      const sprite = await t.impatient((url) => url.endsWith("/v1/sprites")).ensure(t.spec);
      expect(sprite.id).toBe(t.local().state.id);
    });

    it.each([400, 409] as const)("a duplicate name is refused with %i", async (status) => {
      const first = await t.fleet.ensure(t.spec);
      t.host.duplicateStatus = status;
      t.answers("getSprite", 404, { error: "sprite not found" });
      expect((await t.client().ensure(t.spec)).id).toBe(first.id);
    });

    it("a 404 that is not true, when it is looked for", async () => {
      const { id } = await t.fleet.ensure(t.spec);
      t.answers("getSprite", 404, { error: "sprite not found" }, 2);
      expect((await t.fleet.find(t.home))?.id).toBe(id);
    });

    it("a 404 that is not true for long: the list knows better, and nothing is made in its place", async () => {
      const sprite = await t.fleet.ensure(t.spec);
      t.answers("getSprite", 404, { error: "sprite not found" }, 50);
      for (const doing of [t.fleet.find(t.home), t.fleet.wake(sprite), t.fleet.ensure(t.spec)])
        await expect(doing).rejects.toMatchObject({ code: "transient" });
      t.host.faults.clear();
      expect((await t.fleet.find(t.home))?.id).toBe(sprite.id);
    });

    it("create ignored who may visit the address: it is read back, and closed", async () => {
      const body = { name: t.name, url_settings: { auth: "public" } };
      await fetch(`${t.host.apiUrl}/v1/sprites`, {
        method: "POST",
        headers: { authorization: `Bearer ${t.host.token}`, "content-type": "application/json" },
        body: JSON.stringify(body),
      });
      await t.fleet.ensure(t.spec);
      expect(t.local().state.auth).toBe("sprite");
    });

    it("a status that nobody has heard of, and fields that are missing", async () => {
      const { id, url } = await t.fleet.ensure(t.spec);
      t.answers("getSprite", 200, { id, name: t.name, url, status: "dreaming" });
      expect(await t.fleet.find(t.home)).toMatchObject({ id, state: "moving", region: "" });
    });

    it("an HTML page instead of an answer, as an error and as a success", async () => {
      t.answers("getSprite", 502, page);
      await expect(t.fleet.find(t.home)).rejects.toMatchObject({
        code: "transient",
        message: expect.not.stringContaining("<html>"),
      });
      t.answers("getSprite", 200, page);
      await expect(t.fleet.find(t.home)).rejects.toMatchObject({ code: "transient" });
      t.answers("createSprite", 503, "upstream connect error");
      expect((await t.fleet.ensure(t.spec)).id).toBe(t.local().state.id);
    });
  });

  describe("a Sprite that is not what it was", () => {
    it("the id changed: the name leads to an empty replacement, and nobody takes it for the old one", async () => {
      const first = await t.fleet.wake(await t.fleet.ensure(t.spec));
      await t.visit("/append", { method: "POST", body: "lost" });
      await t.fleet.destroy(first);
      const other = await t.client().ensure(t.spec);
      await expect(t.fleet.wake(first)).rejects.toMatchObject({
        code: "gone",
        message: expect.stringContaining(`${first.id} is now ${other.id}`),
      });
      // What a coordinator does next.
      expect((await t.fleet.wake(await t.fleet.ensure(t.spec))).id).toBe(other.id);
      expect(await (await t.visit("/log")).text()).toBe("");
    });

    it("a sticky stop: a service that was stopped stays so over every wake, and is started again", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      await t.fleet.sleep(sprite);
      // The platform's proxy would start it, too; not when its answer is this one.
      t.answers("visit", 503, "no service", 1);
      await t.fleet.wake(sprite);
      expect(t.local().httpService?.state.stopped).toBe(false);
      expect(t.calls("restartService")).toHaveLength(1);
    });

    it("the first process is started again soon after a cold start", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      await t.local().pause("cold");
      await t.fleet.wake(sprite);
      const pid = t.local().httpService?.pid;
      t.host.kill(sprite.id, "SIGKILL");
      expect((await t.fleet.wake(sprite)).state).toBe("running");
      expect(t.local().httpService?.pid).not.toBe(pid);
    });

    it("memory is kept over a warm pause and lost by a cold one, the disk is kept by both, no connection by any", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      await t.visit("/append", { method: "POST", body: "kept" });
      for (const how of ["warm", "cold"] as const) {
        const pid = t.local().httpService?.pid;
        const open = await t.visit("/never");
        const reader = open.body?.getReader();
        await reader?.read();
        await t.local().pause(how);
        await expect(reader?.read()).rejects.toThrow();
        await t.fleet.wake(sprite);
        expect(t.local().httpService?.pid === pid).toBe(how === "warm");
        expect(await (await t.visit("/log")).text()).toBe("kept");
      }
    });
  });

  describe("what never answers", () => {
    it("an address with no listener hangs: the service that is missing is put there", async () => {
      const { id, name, url } = await t.fleet.ensure(t.spec);
      t.local().services.clear();
      await t.local().pause("cold");
      const patient = t.impatient((at) => at.endsWith("/healthz"));
      const woken = await patient.wake({
        id,
        name,
        home: t.home,
        region: "",
        state: "asleep",
        image: "",
        url: url ?? "",
      });
      expect(woken.state).toBe("running");
      expect(t.calls("putService")).toHaveLength(2);
    });

    it("the disk hangs while the status says running: it is checked and restarted once, and given up in time", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      for (const operation of ["getService", "visit", "exec"]) t.fault(operation, { kind: "hang" });
      const began = t.clock;
      const impatient = t.impatient((url) => /healthz|services/.test(url));
      await expect(impatient.wake(sprite)).rejects.toMatchObject({
        code: "transient",
        message: expect.stringContaining("its disk may hang"),
      });
      expect([t.calls("checkSprite").length, t.calls("restartSprite").length]).toEqual([1, 1]);
      // The last round may begin a moment before the end: a visit and a look at the service.
      const round = 2 * SPRITES_LIMITS.probeMs + SPRITES_LIMITS.reprobeMaxMs;
      expect(t.clock - began).toBeLessThan(SPRITES_LIMITS.wakeMs + round);
      t.host.faults.clear();
      expect((await t.fleet.wake(sprite)).id).toBe(sprite.id);
    });

    it("a look-up that hangs ends with an error of its own", async () => {
      t.fault("getSprite", { kind: "hang" }, 1);
      await expect(t.impatient((url) => url.endsWith(t.name)).find(t.home)).rejects.toMatchObject({
        code: "transient",
        message: expect.stringContaining("no answer"),
      });
    });

    it("a slow wake is waited for, a failing one is tried again", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      await t.local().pause("cold");
      let boot = () => {};
      const held = new Promise<void>((resolve) => {
        boot = resolve;
      });
      t.host.faults.boot({ kind: "fail" }, { times: 2 });
      const slow = t.host.faults.boot({ kind: "hold", until: held }, { times: 1 });
      const waking = t.fleet.wake(sprite);
      while (slow.hits === 0) await new Promise((next) => setTimeout(next, 5));
      boot();
      expect((await waking).state).toBe("running");
    });
  });
});
