import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { MachinesFleetDeps } from "../../edge/fleet/machines.ts";
import { isChosen } from "../../edge/fleet/upgrade.ts";
import { spriteNameOf } from "../../shared/sprite-name.ts";
import { until } from "../support/until.ts";
import { type LocalFly, newHome, startLocalFly } from "./local-fly.ts";

const OLD = "registry.fly.io/sprite-sync@sha256:old";
const NEW = "registry.fly.io/sprite-sync@sha256:new";

describe("the choice of a percentage", () => {
  const names = Array.from({ length: 5_000 }, () => spriteNameOf(newHome()));
  const chosen = (percent: number) => names.filter((name) => isChosen(name, percent));

  it("is nobody at 0, everybody at 100, and about as many as it says in between", () => {
    expect(chosen(0)).toEqual([]);
    expect(chosen(100)).toEqual(names);
    for (const percent of [1, 10, 50]) {
      const share = (chosen(percent).length / names.length) * 100;
      expect(Math.abs(share - percent)).toBeLessThan(3);
    }
  });

  it("only adds Sprites when it grows, and is the same each time", () => {
    expect(chosen(5)).toEqual(chosen(5));
    const more = new Set(chosen(25));
    expect(chosen(5).filter((name) => !more.has(name))).toEqual([]);
  });
});

describe("a Machine with an old image", { timeout: 30_000 }, () => {
  let fly: LocalFly;
  let home = newHome();
  beforeAll(async () => {
    fly = await startLocalFly();
  });
  beforeEach(() => {
    fly.host.faults.clear();
    home = newHome();
  });
  afterAll(() => fly.end());

  const fleet = (image: string, overrides: Partial<MachinesFleetDeps> = {}) =>
    fly.fleet({ image, pause: async () => {}, ...overrides });
  const updates = (id: string) => fly.calls("Machines_update").filter(({ machineId }) => machineId === id);
  /** A Sprite that was made with the old image, has written and sleeps. */
  const oldSprite = async () => {
    const old = fleet(OLD);
    const sprite = await old.wake(await old.ensure({ home, regions: [] }));
    const { url, headers } = old.address(sprite);
    await fetch(`${url}/append`, { method: "POST", headers, body: "kept" });
    await old.sleep(sprite);
    await until(async () => (await old.find(home))?.state === "asleep");
    return sprite;
  };
  const log = async (sprite: Parameters<ReturnType<typeof fleet>["address"]>[0]) => {
    const { url, headers } = fleet(NEW).address(sprite);
    return (await fetch(`${url}/log`, { headers })).text();
  };

  it("gets the new one at its next wake, keeps its id and its disk, and then is left alone", async () => {
    const sprite = await oldSprite();
    const woken = await fleet(NEW).wake(sprite);
    expect(woken).toMatchObject({ id: sprite.id, image: NEW, state: "running" });
    expect(await log(woken)).toBe("kept");
    await fleet(NEW).sleep(woken);
    await until(async () => (await fleet(NEW).find(home))?.state === "asleep");
    await fleet(NEW).wake(woken);
    expect(updates(sprite.id)).toHaveLength(1);
  });

  it("gets the edge's present environment along with it", async () => {
    const sprite = await oldSprite();
    const spriteEnv = () => ({ SPRITE_HOME: home, SPRITE_SLEEP_AFTER: "77" });
    const woken = await fleet(NEW, { spriteEnv }).wake(sprite);
    const { url, headers } = fleet(NEW).address(woken);
    expect((await (await fetch(url, { headers })).json()).env).toMatchObject({ SPRITE_SLEEP_AFTER: "77" });
  });

  it("goes back to the old one in the same way", async () => {
    const sprite = await fleet(NEW).wake(await oldSprite());
    await fleet(OLD).sleep(sprite);
    await until(async () => (await fleet(OLD).find(home))?.state === "asleep");
    expect(await fleet(OLD).wake(sprite)).toMatchObject({ id: sprite.id, image: OLD });
    expect(await log(sprite)).toBe("kept");
  });

  it("keeps it while it is not among the chosen, and while it runs", async () => {
    const sprite = await oldSprite();
    const nobody = fleet(NEW, { upgradePercent: 0 });
    expect(nobody.isOutdated?.(sprite)).toBe(false);
    expect(await nobody.wake(sprite)).toMatchObject({ image: OLD });
    expect(fleet(NEW).isOutdated?.(sprite)).toBe(true);
    expect(await fleet(NEW).wake(sprite)).toMatchObject({ image: OLD, state: "running" });
    expect(updates(sprite.id)).toEqual([]);
  });

  it("that was suspended gives its memory up: it boots the new image", async () => {
    const sprite = await fleet(OLD).wake(await fleet(OLD).ensure({ home, regions: [] }));
    const pid = () => fly.host.machines().find(({ id }) => id === sprite.id)?.pid;
    const before = pid();
    const { url, headers } = fleet(OLD).address(sprite);
    await fetch(url, { headers });
    await fetch(`${fly.host.apiUrl}/v1/apps/${fly.host.appName}/machines/${sprite.id}/suspend`, {
      method: "POST",
      headers: { authorization: `Bearer ${fly.host.token}` },
    });
    await until(async () => (await fleet(OLD).find(home))?.state === "asleep");
    expect(await fleet(NEW).wake(sprite)).toMatchObject({ image: NEW, state: "running" });
    expect(pid()).not.toBe(before);
  });

  it("is started as it is when Fly refuses the new one", async () => {
    const sprite = await oldSprite();
    const answer = { status: 400, body: { error: "invalid_argument: could not resolve image" } };
    const refusal = fly.host.faults.api("Machines_update", { kind: "answer", answer });
    expect(await fleet(NEW).wake(sprite)).toMatchObject({ image: OLD, state: "running" });
    expect(refusal.hits).toBe(1);
  });

  it("is upgraded although the answer is lost, or says that somebody was faster: it is read again", async () => {
    const sprite = await oldSprite();
    const once = { times: 1 };
    const lost = { status: 502, body: "<html>Bad gateway</html>" };
    fly.host.faults.api("Machines_update", { kind: "do-but-answer", answer: lost }, once);
    expect(await fleet(NEW).wake(sprite)).toMatchObject({ image: NEW, state: "running" });
    await fleet(NEW).sleep(sprite);
    await until(async () => (await fleet(NEW).find(home))?.state === "asleep");
    const stale = { status: 409, body: { error: "aborted: current_version does not match" } };
    fly.host.faults.api("Machines_update", { kind: "do-but-answer", answer: stale }, once);
    expect(await fleet(OLD).wake(sprite)).toMatchObject({ image: OLD, state: "running" });
  });

  it("is not touched while its host hides its config", async () => {
    const sprite = await oldSprite();
    const thin = { id: sprite.id, name: sprite.name, state: "stopped", host_status: "unreachable" };
    const answer = { status: 200, body: thin };
    fly.host.faults.api("Machines_show", { kind: "answer", answer }, { times: 1 });
    await fleet(NEW).wake(sprite);
    expect(updates(sprite.id)).toEqual([]);
  });
});
