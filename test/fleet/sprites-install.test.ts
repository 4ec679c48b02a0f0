import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SPRITES_LIMITS } from "../../edge/fleet/sprites-limits.ts";
import { parseRelease, releaseDir, spriteSetup } from "../../edge/fleet/sprites-setup.ts";
import { checkExit, checkStream, endsStream, readBody } from "../../edge/fleet/sprites-streams.ts";
import { PASS_KEYS } from "./local-sprites.ts";
import { spritesWorld } from "./sprites-world.ts";

/** How our server gets into a Sprite, and what bites there (facts/fly-sprites §2, §3). */
describe("the server in a Sprite", { timeout: 30_000 }, () => {
  const t = spritesWorld();
  const buildOf = async () => ((await (await t.visit("/")).json()) as { env: { BUILD: string } }).env.BUILD;
  const service = () => t.calls("putService").at(-1)?.body as { env: Record<string, string>; args: string[] };

  it("httpPort would be ignored: the service says http_port, and listens on 8080, the port that is taken without it", async () => {
    await t.fleet.ensure(t.spec);
    expect(service()).toMatchObject({ http_port: 8080, env: { PORT: "8080" }, needs: [] });
    expect(JSON.stringify(service())).not.toContain("httpPort");
  });

  it("whoever sees the service sees no key: they are in a file", async () => {
    await t.fleet.ensure(t.spec);
    expect(JSON.stringify(service())).not.toContain(PASS_KEYS);
    const file = t.local().toLocal("/home/sprite/sprite-sync/pass-keys");
    expect(await readFile(file, "utf8")).toBe(PASS_KEYS);
  });

  it("a file arrives under another name, is checked, and renamed: an upload that arrives damaged changes nothing", async () => {
    const damaged = t.client({
      fetch: (url, init) => {
        const isUpload = url.includes("upload-");
        const body = isUpload ? new Uint8Array(init.body as Uint8Array).fill(7, 100, 200) : init.body;
        return fetch(url, { ...init, ...(body && { body }) });
      },
    });
    await expect(damaged.ensure(t.spec)).rejects.toMatchObject({
      code: "transient",
      message: expect.stringContaining("arrived damaged"),
    });
    expect(t.calls("putService")).toHaveLength(0);
    await t.fleet.wake(await t.fleet.ensure(t.spec));
    expect(await buildOf()).toBe("first");
  });

  it("what SPRITE_RELEASE leads to is not what its name says: nothing is uploaded", async () => {
    const wrong = t.client({ readRelease: async () => new Uint8Array(3) });
    await expect(wrong.ensure(t.spec)).rejects.toMatchObject({ code: "config-invalid" });
    expect(t.calls("exec")).toHaveLength(0);
  });

  it.each([
    [21, "config-invalid", "not of the system"],
    [22, "config-invalid", "Node is older"],
    [1, "transient", "ended with code 1: no space"],
  ])("the Sprite's own system, Node or disk is in the way (code %i)", async (exit, code, message) => {
    const body = Buffer.from([1, ...Buffer.from("no space"), 3, exit]);
    t.answers("exec", 200, body);
    await expect(t.fleet.ensure(t.spec)).rejects.toMatchObject({
      code,
      message: expect.stringContaining(message),
    });
  });

  it("an exec whose answer breaks off is not taken for done, and may be repeated", async () => {
    t.answers("exec", 200, Buffer.from([1, 0x6f, 0x6b]));
    await expect(t.fleet.ensure(t.spec)).rejects.toMatchObject({ code: "transient" });
    await t.fleet.ensure(t.spec);
    expect(t.calls("putService")).toHaveLength(1);
  });

  it("the service is answered 200 without `complete`: it has not started", async () => {
    t.answers("putService", 200, '{"type":"started","timestamp":1}\n');
    await expect(t.fleet.ensure(t.spec)).rejects.toMatchObject({
      code: "transient",
      message: expect.stringContaining("broke off"),
    });
  });

  it("the service's process ends while it is watched: that is an error, with its exit code", async () => {
    t.answers("putService", 200, '{"type":"started"}\n{"type":"exit","exit_code":7}\n');
    await expect(t.fleet.ensure(t.spec)).rejects.toMatchObject({
      message: expect.stringContaining("ended with code 7"),
    });
  });

  it("the old process's end is told before the new one's start: what counts is the last", () => {
    const text = '{"type":"exit","exit_code":0}\n{"type":"started"}\n{"type":"complete"}\n';
    expect(() => checkStream("restart", { text })).not.toThrow();
    const crash = '{"type":"started"}\n{"type":"exit","exit_code":7}\n{"type":"complete"}\n';
    expect(() => checkStream("restart", { text: crash })).toThrow(/code 7/);
  });

  it("the stream stays open after `complete`: nobody waits for its end", async () => {
    const lines = ['{"type":"started"}\n{"type":"std', 'out","data":"x"}\n{"type":"complete"}\n'];
    let cancelled = false;
    const body = new ReadableStream<Uint8Array>({
      start(controller) {
        for (const line of lines) controller.enqueue(new TextEncoder().encode(line));
      },
      cancel() {
        cancelled = true;
      },
    });
    const text = new TextDecoder().decode(await readBody(new Response(body), endsStream));
    expect(text).toBe(lines.join(""));
    expect(() => checkStream("start", { text })).not.toThrow();
    expect(cancelled).toBe(true);
  });

  it("frames of an exec have no lengths: only its last two bytes count", () => {
    const bytes = (text: string, ...end: number[]) =>
      new Uint8Array([1, ...new TextEncoder().encode(text), ...end]);
    expect(checkExit("run", bytes("a\u0003b", 3, 0))).toEqual({ code: 0, output: "a b" });
    expect(checkExit("run", bytes("no", 3, 23)).code).toBe(23);
    expect(() => checkExit("run", bytes("no end", 2, 0))).toThrow(/broke off/);
    expect(() => checkExit("run", new Uint8Array())).toThrow(/broke off/);
  });

  describe("an upgrade", () => {
    /** What the hello of a server of this release says, with the settings that all have here. */
    const version = async (path: string) =>
      `0.1.0+${(await spriteSetup(releaseDir(parseRelease(path)), { SPRITE_HOME: t.home }, PASS_KEYS)).id}`;

    it("replaces what the hello calls by an old version, and restarts it: a service goes on with its old process", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      await t.visit("/append", { method: "POST", body: "kept" });
      const old = t.client();
      const release = await t.sprites.packOther("second");
      const next = t.client({ release, readRelease: async () => new Uint8Array(await readFile(release)) });
      const [was, is] = [await version(t.sprites.release), await version(release)];
      expect(await old.upgrade?.(sprite, was)).toBe(false);
      expect(t.calls("restartService")).toHaveLength(0);
      expect(await next.upgrade?.(sprite, was)).toBe(true);
      expect(await buildOf()).toBe("second");
      expect(await next.upgrade?.(sprite, is)).toBe(false);
      expect(t.calls("restartService")).toHaveLength(1);
      expect(await (await t.visit("/log")).text()).toBe("kept");
      // Back again, as an operator does who does not like it.
      expect(await old.upgrade?.(sprite, is)).toBe(true);
      expect(await buildOf()).toBe("first");
    });

    it("waits while something is not on the disk, and is put off when that lasts", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      const next = t.client({ spriteEnv: (home) => ({ SPRITE_HOME: home, NEW: "1" }) });
      await t.visit("/idle?pending=2");
      await next.upgrade?.(sprite, "0.0.1");
      expect(t.calls("putService")).toHaveLength(1);
      expect(t.logged).toContain("the server is not upgraded now: it has something to store");
      await t.visit("/idle?pending=0");
      await next.upgrade?.(sprite, "0.0.1");
      expect(service().env.NEW).toBe("1");
    });

    it("comes with a wake, too: other keys are installed before anybody is refused for them", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      const keys = "another-secret-that-only-tests-know-0123456789";
      await t.client({ passKeys: [new TextEncoder().encode(keys)] }).wake(sprite);
      expect(await readFile(t.local().toLocal("/home/sprite/sprite-sync/pass-keys"), "utf8")).toBe(keys);
      expect(t.calls("restartService")).toHaveLength(1);
    });

    it("reaches a percentage of the Sprites at first; the others get new settings and keys, and no new release", async () => {
      const sprite = await t.fleet.wake(await t.fleet.ensure(t.spec));
      const release = await t.sprites.packOther(`${t.name}-careful`);
      const upload = { release, readRelease: async () => new Uint8Array(await readFile(release)) };
      const none = t.client({ ...upload, upgradePercent: 0 });
      expect(await none.upgrade?.(sprite, await version(t.sprites.release))).toBe(false);
      await none.wake(sprite);
      expect(t.calls("restartService")).toHaveLength(0);
      const keys = "another-secret-that-only-tests-know-0123456789";
      const passKeys = [new TextEncoder().encode(keys)] as const;
      const rotated = t.client({ ...upload, passKeys, upgradePercent: 0 });
      expect((await rotated.wake(sprite)).image).toBe(releaseDir(parseRelease(t.sprites.release)));
      expect(await readFile(t.local().toLocal("/home/sprite/sprite-sync/pass-keys"), "utf8")).toBe(keys);
      expect(await buildOf()).toBe("first");
      await t.client({ ...upload, upgradePercent: 100 }).wake(sprite);
      expect(await buildOf()).toBe(`${t.name}-careful`);
    });

    it("a Sprite that is new gets the present release, whatever the percentage", async () => {
      const release = await t.sprites.packOther(`${t.name}-new`);
      const readRelease = async () => new Uint8Array(await readFile(release));
      await t.client({ release, readRelease, upgradePercent: 0 }).ensure(t.spec);
      expect(await buildOf()).toBe(`${t.name}-new`);
    });

    it("leaves one release behind besides the new one, however many there were", async () => {
      let release = t.sprites.release;
      for (const build of ["a", "b", "c"]) {
        release = await t.sprites.packOther(`${t.name}-${build}`);
        await t.client({ release }).ensure(t.spec);
      }
      const { entries } = await list(t.local().toLocal("/home/sprite/sprite-sync"));
      expect(entries.filter((name) => name.includes("upload"))).toEqual([]);
      expect((await list(t.local().toLocal("/home/sprite/sprite-sync/releases"))).entries).toHaveLength(2);
      expect(SPRITES_LIMITS.quietLooks).toBeGreaterThan(1);
    });
  });
});

async function list(directory: string): Promise<{ entries: string[] }> {
  const { readdir } = await import("node:fs/promises");
  return { entries: await readdir(join(directory)) };
}
